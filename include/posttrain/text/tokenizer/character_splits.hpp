// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers that cut by what kind of character stands where: BertPreTokenizer, Whitespace
// and FixedLength. Each calls `emit(begin, end)` for every word.
#pragma once

#include <cstddef>
#include <string_view>

#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/text/tokenizer/split.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// ASCII punctuation and symbols, elsewhere the categories P*.
inline bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
  }
  return CharacterClasses::get().is(c, CharacterClasses::kPunctuation);
}

/// At white space, which falls away, and around each punctuation character.
template <class Emit>
void split_bert(std::string_view text, Emit&& emit) {
  split_characters(
      text, SplitBehavior::kRemoved, is_whitespace, [&](std::size_t begin, std::size_t end) {
        split_characters(text.substr(begin, end - begin), SplitBehavior::kIsolated, is_punctuation,
                         [&](std::size_t from, std::size_t to) { emit(begin + from, begin + to); });
      });
}

/// The matches of \w+|[^\w\s]+.
template <class Emit>
void split_words(std::string_view text, Emit&& emit) {
  const auto& classes = CharacterClasses::get();
  const auto kind_of = [&](char32_t c) {
    const unsigned k = classes(c);
    return (k & CharacterClasses::kWord) != 0 ? 1 : (k & CharacterClasses::kSpace) != 0 ? 0 : 2;
  };
  std::size_t from = 0;
  int kind = 0;
  for_each_character(text, [&](char32_t c, std::size_t begin, std::size_t) {
    const int next = kind_of(c);
    if (next == kind) return;
    if (kind != 0) emit(from, begin);
    from = begin;
    kind = next;
  });
  if (kind != 0) emit(from, text.size());
}

/// Stretches of `length` characters.
template <class Emit>
void split_fixed_length(std::string_view text, std::size_t length, Emit&& emit) {
  std::size_t from = 0;
  std::size_t count = 0;
  for_each_character(text, [&](char32_t, std::size_t begin, std::size_t size) {
    if (++count % length != 0) return;
    emit(from, begin + size);
    from = begin + size;
  });
  if (from < text.size()) emit(from, text.size());
}

}  // namespace posttrain::text
