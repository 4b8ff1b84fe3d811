// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library and the two ways to throw it.
//
// A message says what was expected, what came, where, and (after "hint:") what to do. `fail` takes
// a literal and stands in `constexpr` checks: evaluated at compile time it is a compile error that
// shows the literal, at run time it throws the same text. `raise` formats.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace posttrain {

/// Every error that a user of the library can meet; `what()` is one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `Error(message)`. Not constexpr on purpose: reaching it in a constant expression is the
/// compile error of a bad `constexpr` experiment.
[[noreturn]] inline void fail(const char* message) { throw Error(message); }

/// Throws `Error` with a formatted message: `raise("expected {} rows, got {}; hint: …", a, b)`.
template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace posttrain
