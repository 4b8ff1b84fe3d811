// SPDX-License-Identifier: Apache-2.0
// The words that answers are written with: LaTeX's commands, functions, units, and words that join
// elements or scale a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace posttrain::rewards {

enum class CommandKind : std::uint8_t {
  unknown,
  dropped,                // sets type only: \left, \displaystyle, \mathbf
  dropped_with_argument,  // \color{red}
  text,                   // \text{…} and upright letters
  mark,                   // meaning: the mark of the same sense
  relation,               // meaning: its sign (expression.hpp)
  connective,             // meaning: "and", "or"
  number_set,             // \mathbb{R}
  environment,            // \begin, \end
  other,                  // meaning: the name under which the parser knows it
};

struct CommandInfo {
  CommandKind kind = CommandKind::unknown;
  std::string_view meaning{};
};

/// Of a command's name without the backslash. The meaning may be a view into `name`.
CommandInfo command_info(std::string_view name);

/// sin, log, gcd, …: what takes arguments and is not a letter.
bool is_function_name(std::string_view name);

/// "and", "or" where a text holds no other word (", and"); otherwise empty.
std::string_view connective(std::string_view text);

/// cm, hours, dollars, …: those of one or two letters, and plain words that a number may carry.
bool is_unit(std::string_view word);

/// 1000 of "thousand", and so on up to a trillion.
std::optional<std::int64_t> scale_word(std::string_view word);

/// 7 of "seven": zero to twenty, tens, hundred. In lower case.
std::optional<int> number_word(std::string_view word);

/// The months and the days of the week, in lower case: with another one a date is another.
bool is_calendar_word(std::string_view word);

/// "not", "than", "least", …: beside a number they say something else than the number.
bool is_qualifier(std::string_view word);

/// Words of less than three letters that are not symbols side by side: "is", "no", …
bool is_short_word(std::string_view word);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/vocabulary.ipp"
#endif
