// SPDX-License-Identifier: Apache-2.0
// The models "WordPiece" (BERT) and "WordLevel" of tokenizer.json.
//
// WordPiece takes the longest known piece from the left, again and again, pieces behind the first
// with a prefix ("##"); a word that cannot be covered, or is too long, is unknown as a whole.
// WordLevel knows whole words only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"
#include "posttrain/text/tokenizer/vocabulary.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// A vocabulary with a token for unknown words, looked up when one is met.
class WordVocabulary {
 public:
  WordVocabulary(const nlohmann::json& model, const char* unk_token)
      : vocabulary_(model), unk_token_(Fields(model, "model").text("unk_token", unk_token)) {}

  const Vocabulary& vocabulary() const { return vocabulary_; }

  void push_unknown(std::size_t size, const Tokens& out) const {
    const auto id = vocabulary_.id(unk_token_);
    if (!id) raise("a word is not in the vocabulary, nor is the unknown token '{}'", unk_token_);
    out.push(*id, 0, size);
  }

 private:
  Vocabulary vocabulary_;
  std::string unk_token_;
};

class WordPiece : public WordVocabulary {
 public:
  explicit WordPiece(const nlohmann::json& model)
      : WordVocabulary(model, "[UNK]"),
        prefix_(Fields(model, "model").text("continuing_subword_prefix", "##")),
        longest_word_(static_cast<std::size_t>(
            Fields(model, "model").integer("max_input_chars_per_word", 100, 0))) {}

  void encode(std::string_view word, const Tokens& out) const {
    std::size_t characters = 0;
    for_each_character(word, [&](char32_t, std::size_t, std::size_t) { ++characters; });
    if (characters > longest_word_) return push_unknown(word.size(), out);
    struct Found {
      TokenId id;
      ByteRange range;
    };
    std::vector<Found> pieces;
    std::string piece;
    for (std::size_t begin = 0; begin < word.size();) {
      piece = begin > 0 ? prefix_ : std::string();
      const std::size_t decoration = piece.size();
      std::size_t end = std::min(word.size(), begin + vocabulary().longest());
      while (end < word.size() && end > begin && !starts_character(word, end)) --end;
      piece += word.substr(begin, end - begin);
      while (end > begin) {
        if (const auto id = vocabulary().id(piece)) {
          pieces.push_back({*id, {begin, end}});
          break;
        }
        end = previous_character(word, end);
        piece.resize(decoration + (end - begin));
      }
      if (end == begin) return push_unknown(word.size(), out);
      begin = end;
    }
    for (const Found& found : pieces) out.push(found.id, found.range.begin, found.range.end);
  }

 private:
  static bool starts_character(std::string_view word, std::size_t at) {
    return (static_cast<unsigned char>(word[at]) & 0xC0U) != 0x80U;
  }

  std::string prefix_;
  std::size_t longest_word_;
};

class WordLevel : public WordVocabulary {
 public:
  explicit WordLevel(const nlohmann::json& model) : WordVocabulary(model, "<unk>") {}

  void encode(std::string_view word, const Tokens& out) const {
    if (const auto id = vocabulary().id(word)) return out.push(*id, 0, word.size());
    push_unknown(word.size(), out);
  }
};

}  // namespace posttrain::text
