// SPDX-License-Identifier: Apache-2.0
// Compiling a PCRE2 pattern with a message in the library's form; what both kinds of regular
// expressions (regex.hpp, limited_regex.hpp) hold.
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain::text {

/// The code of `pattern`, shared by copies; thread-safe. A bad pattern is an error with the
/// compiler's reason and place that quotes `shown`, what the user wrote.
inline std::shared_ptr<pcre2_code> compile_pcre2(std::string_view pattern, std::uint32_t options,
                                                 std::string_view shown) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   options, &error, &offset, nullptr);
  if (code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    raise("expected a regular expression, got '{}': {} at {}", shown,
          reinterpret_cast<const char*>(message.data()), offset);
  }
  return {code, &pcre2_code_free};
}

}  // namespace posttrain::text
