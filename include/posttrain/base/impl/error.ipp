// SPDX-License-Identifier: Apache-2.0
// Definitions of error.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"

namespace posttrain {

POSTTRAIN_INLINE std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      line += fmt::format("<{:02x}>", code);
    } else {
      line += c;
    }
  }
  return line;
}

namespace detail {

[[noreturn]] POSTTRAIN_INLINE void raise_formatted(fmt::string_view format,
                                                   fmt::format_args arguments) {
  throw Error(one_line(fmt::vformat(format, arguments)));
}

}  // namespace detail

}  // namespace posttrain
