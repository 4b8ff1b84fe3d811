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

POSTTRAIN_INLINE std::string shortened(std::string text) {
  if (text.size() <= kLongestMessage) return text;
  constexpr std::string_view kGap = " […] ";
  const auto inside = [&](std::size_t at) {  // of a character of several bytes
    return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  std::size_t head = kLongestMessage * 2 / 3;
  while (head > 0 && inside(head)) --head;
  std::size_t tail = text.size() - (kLongestMessage - kGap.size() - head);
  while (tail < text.size() && inside(tail)) ++tail;
  return text.replace(head, tail - head, kGap);
}

namespace detail {

[[noreturn]] POSTTRAIN_INLINE void raise_formatted(fmt::string_view format,
                                                   fmt::format_args arguments) {
  throw Error(shortened(one_line(fmt::vformat(format, arguments))));
}

}  // namespace detail

}  // namespace posttrain
