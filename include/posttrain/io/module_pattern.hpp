// SPDX-License-Identifier: Apache-2.0
// Regular expressions of module names, as PEFT's configurations hold them.
//
// A key of `rank_pattern` or `alpha_pattern` must match the end of a module's name, from a dot or
// from its beginning. The originals are Python's; PCRE2 reads what occurs in them alike.
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain::io {

/// Whether `pattern` matches the end of `module`. A pattern that does not compile is an error.
inline bool matches_module(const std::string& pattern, std::string_view module) {
  const std::string whole = "^(?:.*\\.)?(?:" + pattern + ")$";
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(whole.data()), whole.size(),
                    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset, nullptr),
      &pcre2_code_free);
  if (!code) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    raise("expected a regular expression of module names, got '{}': {}", pattern,
          reinterpret_cast<const char*>(message.data()));
  }
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create_from_pattern(code.get(), nullptr), &pcre2_match_data_free);
  const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(module.data()),
                                module.size(), 0, 0, match.get(), nullptr);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
    raise("the pattern '{}' gave up on '{}'", pattern, module);
  }
  return found > 0;
}

}  // namespace posttrain::io
