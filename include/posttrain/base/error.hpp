// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library and the two ways to throw it.
//
// A message says what was expected, what came, where, and (after "hint:") what to do. `fail` takes
// a literal and stands in `constexpr` checks: evaluated at compile time it is a compile error that
// shows the literal, at run time it throws the same text. `raise` formats.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace posttrain {

/// The longest message in bytes: what it quotes can be of any length.
inline constexpr std::size_t kLongestMessage = 1500;

/// Every error that a user of the library can meet; `what()` is one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `text` with control characters as <0a>: messages quote users' files, which may hold line breaks.
std::string one_line(std::string_view text);

/// Throws `Error(message)`. Not constexpr on purpose: reaching it in a constant expression is the
/// compile error of a bad `constexpr` experiment.
[[noreturn]] inline void fail(const char* message) { throw Error(message); }

namespace detail {
[[noreturn]] void raise_formatted(fmt::string_view format, fmt::format_args arguments);
}

/// Throws `Error` with a formatted message in one line: `raise("expected {} rows, got {}; hint: …",
/// a, b)`. Of a text longer than `kLongestMessage` the middle is left out: what was expected stands
/// at the beginning, the hint at the end.
template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  detail::raise_formatted(format, fmt::make_format_args(args...));
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/base/impl/error.ipp"
#endif
