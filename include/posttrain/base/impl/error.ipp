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

inline std::string without_middle(std::string text) {
  if (text.size() <= kLongestMessage) return text;
  constexpr std::string_view kGap = " … ";
  constexpr std::size_t kEnd = 500, kBegin = kLongestMessage - kEnd - kGap.size();
  const auto continues = [&](std::size_t at) {  // inside of a character of several bytes
    return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  std::size_t begin = kBegin, end = text.size() - kEnd;
  while (begin > kBegin - 3 && continues(begin)) --begin;
  while (end < text.size() - kEnd + 3 && continues(end)) ++end;
  return text.replace(begin, end - begin, kGap);
}

[[noreturn]] POSTTRAIN_INLINE void raise_formatted(fmt::string_view format,
                                                   fmt::format_args arguments) {
  throw Error(without_middle(one_line(fmt::vformat(format, arguments))));
}

}  // namespace detail

}  // namespace posttrain
