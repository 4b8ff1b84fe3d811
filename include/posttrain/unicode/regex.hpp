// SPDX-License-Identifier: Apache-2.0
// The tokenizers' patterns (Unicode classes, look-ahead) on PCRE2.
//
// The originals run on Oniguruma with Ruby's syntax, so a pattern is rewritten first: what `\s`,
// `\w`, `\h`, `\b` and the flag m mean, and classes within classes (`[a-z&&[^aeiou]]`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/unicode/pcre2_code.hpp"
#include "posttrain/unicode/regex_dialect.hpp"

namespace posttrain::text {

class Regex {
 public:
  /// Compiles `pattern`; a bad one is an error with the compiler's reason and place.
  explicit Regex(std::string_view pattern) {
    const std::string rewritten = RegexDialect(pattern).rewritten();
    code_ = compile_pcre2(rewritten, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, pattern);
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter serves
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

  /// The first match at or after `from` as [begin, end). `text` must be valid UTF-8.
  std::optional<std::pair<std::size_t, std::size_t>> find(std::string_view text, std::size_t from,
                                                          Scratch& scratch) const {
    constexpr std::uint32_t kOptions = PCRE2_NO_UTF_CHECK;
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found = pcre2_match(code_.get(), subject, text.size(), from, kOptions, scratch.data_.get(),
                            nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code_.get(), subject, text.size(), from, kOptions | PCRE2_NO_JIT,
                          scratch.data_.get(), nullptr);
    }
    if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (found < 0) raise("a pattern gave up on a text of {} bytes", text.size());
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(scratch.data_.get());
    return std::pair{ends[0], ends[1]};
  }

 private:
  std::shared_ptr<pcre2_code> code_;
};

}  // namespace posttrain::text
