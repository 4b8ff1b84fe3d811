// SPDX-License-Identifier: Apache-2.0
// Tokens and their ids, both ways.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::text {

class Vocabulary {
 public:
  Vocabulary() = default;

  /// Reads the object under model.vocab. Ids must be unique and not negative.
  explicit Vocabulary(const nlohmann::json& model) {
    const auto vocab = model.find("vocab");
    if (vocab == model.end() || !vocab->is_object()) {
      fail("tokenizer.json: expected model.vocab to be an object");
    }
    // An id may lie beyond the count (gaps), but a huge one would ask for the memory of a table.
    const auto limit = static_cast<std::int64_t>(4 * vocab->size() + 1000000);
    for (const auto& [token, value] : vocab->items()) {
      const std::int64_t id =
          io::integer_from(value, "tokenizer.json: model.vocab", token, 0, limit);
      const auto i = static_cast<std::size_t>(id);
      if (i >= tokens_.size()) {
        tokens_.resize(i + 1);
        known_.resize(i + 1, false);
      }
      if (known_[i])
        raise("tokenizer.json: model.vocab: id {} stands for '{}' and '{}'", id, tokens_[i], token);
      tokens_[i] = token;
      known_[i] = true;
    }
    index();
  }

  /// Tokens by id; of equal ones the last counts.
  explicit Vocabulary(std::vector<std::string> tokens)
      : tokens_(std::move(tokens)), known_(tokens_.size(), true) {
    index();
  }
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  ~Vocabulary() = default;

  std::optional<TokenId> id(std::string_view token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
  }

  /// The token of an id, or null outside the vocabulary.
  const std::string* token(TokenId id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return nullptr;
    return known_[static_cast<std::size_t>(id)] ? &tokens_[static_cast<std::size_t>(id)] : nullptr;
  }

  /// One more than the largest id.
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }

  /// How many entries there are; a list (Unigram's) may have a token twice.
  std::int64_t count() const { return std::count(known_.begin(), known_.end(), true); }

  std::size_t longest() const { return longest_; }

 private:
  void index() {
    ids_.reserve(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (known_[i]) ids_.insert_or_assign(tokens_[i], static_cast<TokenId>(i));
      longest_ = std::max(longest_, tokens_[i].size());
    }
  }

  std::vector<std::string> tokens_;
  std::vector<bool> known_;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into tokens_
  std::size_t longest_ = 0;
};

}  // namespace posttrain::text
