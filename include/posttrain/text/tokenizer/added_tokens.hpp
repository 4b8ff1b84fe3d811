// SPDX-License-Identifier: Apache-2.0
// Added tokens: strings that are cut out of the text before the model sees it.
//
// Matching is leftmost-longest. Tokens with `normalized` false are looked for in the raw text, the
// others in the normalised text between those. lstrip and rstrip swallow the white space beside a
// match; single_word wants no word character next to it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/text/added_token.hpp"
#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// A stretch of text: an added token (id ≥ 0) or what lies between (id −1).
struct Section {
  std::size_t begin = 0;
  std::size_t end = 0;
  TokenId id = -1;
};

class AddedTokenMatcher {
 public:
  /// Adds a token under the text that stands for it. A second one of equal text is ignored.
  void add(std::string_view pattern, const AddedToken& token) {
    if (pattern.empty()) return;
    if (nodes_.empty()) nodes_.emplace_back();
    std::size_t at = 0;
    for (const char c : pattern) {
      auto [next, fresh] =
          nodes_[at].next.try_emplace(static_cast<unsigned char>(c), nodes_.size());
      at = next->second;
      if (fresh) nodes_.emplace_back();
    }
    if (nodes_[at].token >= 0) return;
    nodes_[at].token = static_cast<std::int32_t>(tokens_.size());
    tokens_.push_back(token);
    starts_[static_cast<unsigned char>(pattern[0])] = true;
  }

  bool empty() const { return tokens_.empty(); }

  std::vector<Section> split(std::string_view text) const {
    std::vector<Section> sections;
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const auto [token, size] = longest(text, at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at;
      std::size_t end = at + size;
      at = end;
      if (token->single_word && !stands_alone(text, begin, end)) continue;
      if (token->lstrip) begin = trimmed_length(text.substr(0, begin));
      if (token->rstrip) end += leading_whitespace(text.substr(end));
      begin = std::max(begin, done);
      if (done < begin) sections.push_back({done, begin, -1});
      sections.push_back({begin, end, token->id});
      done = std::max(done, end);
    }
    if (done < text.size()) sections.push_back({done, text.size(), -1});
    return sections;
  }

 private:
  struct TrieNode {
    std::map<unsigned char, std::size_t> next;
    std::int32_t token = -1;
  };

  std::pair<const AddedToken*, std::size_t> longest(std::string_view text, std::size_t from) const {
    const AddedToken* found = nullptr;
    std::size_t size = 0;
    if (!starts_[static_cast<unsigned char>(text[from])]) return {found, size};
    std::size_t node = 0;
    for (std::size_t i = from; i < text.size(); ++i) {
      const auto next = nodes_[node].next.find(static_cast<unsigned char>(text[i]));
      if (next == nodes_[node].next.end()) break;
      node = next->second;
      if (nodes_[node].token >= 0) {
        found = &tokens_[static_cast<std::size_t>(nodes_[node].token)];
        size = i + 1 - from;
      }
    }
    return {found, size};
  }

  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    const auto word_at = [&](std::size_t at) {
      return CharacterClasses::get().is(decode_utf8(text, at).code, CharacterClasses::kWord);
    };
    if (begin > 0 && word_at(previous_character(text, begin))) return false;
    return end >= text.size() || !word_at(end);
  }

  std::vector<TrieNode> nodes_;
  std::vector<AddedToken> tokens_;
  std::array<bool, 256> starts_{};
};

}  // namespace posttrain::text
