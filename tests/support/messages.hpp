// SPDX-License-Identifier: Apache-2.0
// The messages of errors, as values.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain::test {

/// The message of the `posttrain::Error` that `action` throws; empty if it throws none.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace posttrain::test
