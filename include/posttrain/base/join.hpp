// SPDX-License-Identifier: Apache-2.0
// A range as text: join({1, 2}, ", ") is "1, 2". fmt's own `join` moved between headers with its
// versions (format.h in 9, ranges.h in 11), so error messages use this one.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace posttrain {

template <class Range>
std::string join(const Range& range, std::string_view separator) {
  std::string text;
  bool first = true;
  for (const auto& value : range) {
    if (!first) text += separator;
    first = false;
    text += fmt::format("{}", value);
  }
  return text;
}

}  // namespace posttrain
