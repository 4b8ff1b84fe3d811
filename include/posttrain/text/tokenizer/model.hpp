// SPDX-License-Identifier: Apache-2.0
// The "model" of tokenizer.json: BPE, Unigram, WordPiece or WordLevel.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "posttrain/base/error.hpp"
#include "posttrain/text/tokenizer/bpe.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"
#include "posttrain/text/tokenizer/unigram.hpp"
#include "posttrain/text/tokenizer/vocabulary.hpp"
#include "posttrain/text/tokenizer/word_piece.hpp"

namespace posttrain::text {

class TokenModel {
 public:
  explicit TokenModel(const nlohmann::json& description) : model_(read(description)) {}

  void encode(std::string_view word, const Tokens& out) const {
    std::visit([&](const auto& model) { model.encode(word, out); }, model_);
  }

  const Vocabulary& vocabulary() const {
    return std::visit([](const auto& m) -> const Vocabulary& { return m.vocabulary(); }, model_);
  }

  /// The model, if it takes raw bytes in the place of the byte-level alphabet.
  const Bpe* byte_level() const {
    const auto* bpe = std::get_if<Bpe>(&model_);
    return bpe != nullptr && bpe->complete_bytes() ? bpe : nullptr;
  }

 private:
  using Model = std::variant<Bpe, Unigram, WordPiece, WordLevel>;

  static Model read(const nlohmann::json& model) {
    std::string type = Fields(model, "model").text("type", "");
    if (type.empty()) {  // older files leave it out
      if (model.contains("merges")) {
        type = "BPE";
      } else if (model.contains("vocab") && model.at("vocab").is_array()) {
        type = "Unigram";
      } else if (model.contains("max_input_chars_per_word")) {
        type = "WordPiece";
      } else if (model.contains("vocab")) {
        type = "WordLevel";
      }
    }
    if (type == "BPE") return Bpe(model);
    if (type == "Unigram") return Unigram(model);
    if (type == "WordPiece") return WordPiece(model);
    if (type == "WordLevel") return WordLevel(model);
    raise(
        "tokenizer.json: the model '{}' is not supported; hint: supported are BPE, Unigram, "
        "WordPiece, WordLevel",
        type);
  }

  Model model_;
};

}  // namespace posttrain::text
