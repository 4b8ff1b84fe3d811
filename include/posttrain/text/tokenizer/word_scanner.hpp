// SPDX-License-Identifier: Apache-2.0
// Hand-written scanners for the word patterns of GPT-2, Llama 3 and Qwen 2, many times the speed of
// a regular expression. The patterns are recognised by their text; the tests compare with PCRE2.
//
// All three try alternatives in order at each position and always match something, so a text is cut
// into words without gaps.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class WordScanner {
 public:
  static constexpr std::string_view kGpt2 =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  static constexpr std::string_view kLlama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  static constexpr std::string_view kQwen2 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

  static std::optional<WordScanner> for_pattern(std::string_view regex) {
    if (regex == kGpt2) return WordScanner(Kind::kGpt2, 0);
    if (regex == kLlama3) return WordScanner(Kind::kCased, 3);
    if (regex == kQwen2) return WordScanner(Kind::kCased, 1);
    return std::nullopt;
  }

  /// The end of the word that starts at `at` (< text.size()); `text` is valid UTF-8.
  std::size_t next(std::string_view text, std::size_t at) const {
    return kind_ == Kind::kGpt2 ? next_gpt2(text, at) : next_cased(text, at);
  }

 private:
  enum class Kind { kGpt2, kCased };
  using C = CharacterClasses;
  static constexpr unsigned kNotSymbol = C::kSpace | C::kLetter | C::kNumber;

  WordScanner(Kind kind, int digits) : classes_(&C::get()), kind_(kind), digits_(digits) {}

  struct Character {
    unsigned classes = 0;
    std::size_t size = 0;  // 0 at the end of the text
  };

  Character look(std::string_view text, std::size_t at) const {
    if (at >= text.size()) return {};
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) return {(*classes_)(byte), 1};
    // Valid UTF-8, so no checks.
    const auto more = [&](std::size_t i) {
      return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]) & 0x3FU);
    };
    if (byte < 0xE0) return {(*classes_)((byte & 0x1FU) << 6U | more(1)), 2};
    if (byte < 0xF0) return {(*classes_)((byte & 0x0FU) << 12U | more(1) << 6U | more(2)), 3};
    return {(*classes_)((byte & 0x07U) << 18U | more(1) << 12U | more(2) << 6U | more(3)), 4};
  }

  std::size_t run(std::string_view text, std::size_t at, unsigned classes) const {
    for (;;) {
      const Character c = look(text, at);
      if ((c.classes & classes) == 0) return at;
      at += c.size;
    }
  }

  std::size_t symbols(std::string_view text, std::size_t at) const {
    for (;;) {
      const Character c = look(text, at);
      if (c.size == 0 || (c.classes & kNotSymbol) != 0) return at;
      at += c.size;
    }
  }

  /// The end of 's, 't, 're, 've, 'm, 'll or 'd at `at`, or `at`. Without regard to case, 's is
  /// also written with the long s.
  static std::size_t contraction(std::string_view text, std::size_t at, bool any_case) {
    const auto letter = [&](std::size_t i) {
      const char c = i < text.size() ? text[i] : '\0';
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char first = letter(at + 1);
    const char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l')) {
      return at + 3;
    }
    if (any_case && text.substr(at + 1).starts_with("\u017F")) return at + 3;
    return at;
  }

  /// \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word behind it.
  std::size_t spaces(std::string_view text, std::size_t at) const {
    std::size_t last = at;
    std::size_t end = at;
    for (;;) {
      const Character c = look(text, end);
      if ((c.classes & C::kSpace) == 0) break;
      last = end;
      end += c.size;
    }
    return end == text.size() || last == at ? end : last;
  }

  std::size_t next_gpt2(std::string_view text, std::size_t at) const {
    if (text[at] == '\'') {
      if (const std::size_t end = contraction(text, at, false); end != at) return end;
    }
    const std::size_t begin = text[at] == ' ' ? at + 1 : at;
    const Character c = look(text, begin);
    if ((c.classes & C::kLetter) != 0) return run(text, begin + c.size, C::kLetter);
    if ((c.classes & C::kNumber) != 0) return run(text, begin + c.size, C::kNumber);
    if (c.size != 0 && (c.classes & C::kSpace) == 0) return symbols(text, begin + c.size);
    return spaces(text, at);
  }

  std::size_t next_cased(std::string_view text, std::size_t at) const {
    if (text[at] == '\'') {
      if (const std::size_t end = contraction(text, at, true); end != at) return end;
    }
    const Character c = look(text, at);
    if ((c.classes & C::kLetter) != 0) return run(text, at + c.size, C::kLetter);
    if ((c.classes & C::kNumber) != 0) {
      std::size_t end = at + c.size;
      for (int i = 1; i < digits_; ++i) {
        const Character digit = look(text, end);
        if ((digit.classes & C::kNumber) == 0) break;
        end += digit.size;
      }
      return end;
    }
    const Character behind = look(text, at + c.size);
    if ((c.classes & C::kNewline) == 0 && (behind.classes & C::kLetter) != 0) {
      return run(text, at + c.size + behind.size, C::kLetter);
    }
    const bool space = (c.classes & C::kSpace) != 0;
    if (!space || (text[at] == ' ' && behind.size != 0 && (behind.classes & kNotSymbol) == 0)) {
      return run(text, symbols(text, at + c.size), C::kNewline);
    }
    // \s*[\r\n]+ : up to the last line break of a run of spaces.
    std::size_t end = at;
    std::size_t newline = at;
    for (;;) {
      const Character s = look(text, end);
      if ((s.classes & C::kSpace) == 0) break;
      end += s.size;
      if ((s.classes & C::kNewline) != 0) newline = end;
    }
    return newline != at ? newline : spaces(text, at);
  }

  const CharacterClasses* classes_;
  Kind kind_;
  int digits_;
};

}  // namespace posttrain::text
