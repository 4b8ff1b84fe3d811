// SPDX-License-Identifier: Apache-2.0
// The tokenizers' patterns (Unicode classes, look-ahead) on PCRE2.
//
// The originals run on Oniguruma. One class differs: PCRE2's `\s` holds U+180E, which is not white
// space since Unicode 6.3, so `\s` and `\S` are rewritten to the property White_Space.
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/core/error.hpp"

namespace posttrain::text {

class Regex {
 public:
  /// Compiles `pattern`; a bad one is an error with the compiler's reason and place.
  explicit Regex(std::string_view pattern) {
    const std::string rewritten = rewrite_whitespace(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rewritten.data()), rewritten.size(),
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    if (code == nullptr) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      raise("expected a regular expression, got '{}': {} at {}", pattern,
            reinterpret_cast<const char*>(message.data()), offset);
    }
    code_.reset(code, &pcre2_code_free);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without JIT the interpreter serves
  }

  /// A reusable place for match results; one per thread or call.
  class Scratch {
   public:
    explicit Scratch(const Regex& regex)
        : data_(pcre2_match_data_create_from_pattern(regex.code_.get(), nullptr),
                &pcre2_match_data_free) {}

   private:
    friend class Regex;
    std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data_;
  };

  /// The first non-empty match at or after `from` as [begin, end). `text` must be valid UTF-8.
  std::optional<std::pair<std::size_t, std::size_t>> find(std::string_view text, std::size_t from,
                                                          Scratch& scratch) const {
    constexpr std::uint32_t kOptions = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found = pcre2_match(code_.get(), subject, text.size(), from, kOptions, scratch.data_.get(),
                            nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code_.get(), subject, text.size(), from, kOptions | PCRE2_NO_JIT,
                          scratch.data_.get(), nullptr);
    }
    if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (found < 0) raise("a tokenizer pattern gave up on a text of {} bytes", text.size());
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(scratch.data_.get());
    return std::pair{ends[0], ends[1]};
  }

 private:
  static std::string rewrite_whitespace(std::string_view pattern) {
    constexpr std::string_view kSpaces =
        R"(\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
    std::string out;
    int depth = 0;  // inside a character class
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      const char c = pattern[i];
      if (c == '\\' && i + 1 < pattern.size()) {
        const char next = pattern[++i];
        if (next == 's' && depth > 0) {
          out += kSpaces;
        } else if ((next == 's' || next == 'S') && depth == 0) {
          out += next == 's' ? "[" : "[^";
          out += kSpaces;
          out += ']';
        } else {
          out += c;
          out += next;
        }
        continue;
      }
      if (c == '[' && depth == 0) {
        depth = 1;
      } else if (c == ']' && depth == 1) {
        depth = 0;
      }
      out += c;
    }
    return out;
  }

  std::shared_ptr<pcre2_code> code_;
};

}  // namespace posttrain::text
