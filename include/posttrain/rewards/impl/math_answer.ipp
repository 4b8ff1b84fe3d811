// SPDX-License-Identifier: Apache-2.0
// Definitions of math_answer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math/compare.hpp"
#include "posttrain/rewards/math/parser.hpp"
#include "posttrain/rewards/math/stated_answer.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"
#include "posttrain/rewards/math_answer.hpp"
#include "posttrain/rewards/text/boxes.hpp"
#include "posttrain/rewards/text/parts.hpp"

namespace posttrain {

namespace detail {

/// Of a gold answer that is a whole solution, its end.
inline std::string gold_text(std::string_view answer) {
  const rewards::Boxes boxes = rewards::find_boxes(answer);
  if (!boxes.closed.empty() || boxes.cut_off) {
    return rewards::boxed_answer(answer, boxes, false);
  }
  const std::size_t marks = answer.rfind("####");
  return std::string(marks == std::string_view::npos ? answer : answer.substr(marks + 4));
}

/// Whether a number in it is divided by zero.
inline bool is_undefined(const rewards::Expression& x) {
  if (rewards::is_scalar(x)) {
    return rewards::exact_value(x).exactness == rewards::Exactness::undefined;
  }
  return std::any_of(x.operands.begin(), x.operands.end(), is_undefined);
}

/// What a gold answer says; one that cannot be judged is an Error.
inline std::vector<rewards::Expression> gold_readings(std::string_view answer) {
  constexpr int kMostWords = 8;
  auto readings = rewards::parse_readings(gold_text(answer));
  const rewards::Expression& first = readings.front();
  if (first.is(rewards::ExpressionKind::words)) {
    if (rewards::number_word(first.name)) raise("a number in words");
    if (std::count(first.name.begin(), first.name.end(), ' ') >= kMostWords) {
      raise("more than {} words", kMostWords);
    }
  }
  if (is_undefined(first)) raise("it has no value");
  return readings;
}

/// The letter of a gold answer that is a choice (D); '\0': it is none.
inline char gold_choice(const rewards::Expression& gold) {
  const bool letter = gold.is(rewards::ExpressionKind::symbol) && gold.name.size() == 1;
  return letter && gold.name[0] >= 'A' && gold.name[0] <= 'J' ? gold.name[0] : '\0';
}

/// Whether an answer names that choice: d, (D), \text{(D)}, D. seven, \textbf{(D) } 7.
inline bool names_choice(std::string_view answer, char choice) {
  std::size_t i = 0;
  bool bracket = false;
  for (; i < answer.size(); ++i) {
    const char c = answer[i];
    if (c == '\\') {  // \text, \textbf, \mathrm
      const std::size_t brace = answer.find('{', i);
      const std::string_view name = answer.substr(i, brace - i);
      if (brace == std::string_view::npos ||
          rewards::command_info(name.substr(1)).kind != rewards::CommandKind::text) {
        return false;
      }
      i = brace;
    } else if (c == '(') {
      bracket = true;
    } else if (c != ' ' && c != '{' && c != '$' && c != '*') {
      break;
    }
  }
  if (i == answer.size() || (answer[i] & ~0x20) != choice) return false;
  const std::string_view rest = answer.substr(i + 1);
  const std::size_t next = rest.find_first_not_of(" }$*");
  if (next == std::string_view::npos) return true;
  const char behind = rest[next];
  return behind == ')' || (!bracket && next == 0 && (behind == '.' || behind == ':'));
}

/// "3,14" with its comma as a point; nothing where the comma can only separate.
inline std::optional<std::string> with_decimal_point(std::string_view answer) {
  while (!answer.empty() && answer.front() == ' ') answer.remove_prefix(1);
  while (!answer.empty() && answer.back() == ' ') answer.remove_suffix(1);
  const std::size_t comma = answer.find(',');
  if (comma == std::string_view::npos) return {};
  std::string_view whole = answer.substr(0, comma);
  const std::string_view decimals = answer.substr(comma + 1);
  if (!whole.empty() && (whole.front() == '-' || whole.front() == '+')) whole.remove_prefix(1);
  const auto is_digits = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!is_digits(whole) || !is_digits(decimals)) return {};
  if (decimals.size() == 3 && whole.front() != '0') return {};
  std::string text(answer);
  text[comma] = '.';
  return text;
}

/// The beginning of a text, for a report.
inline std::string shown_answer(std::string_view answer) {
  constexpr std::size_t kShown = 200;
  if (answer.size() <= kShown) return std::string(answer);
  return std::string(answer.substr(0, kShown)) + "…";
}

inline Verdict math_verdict(bool right, std::string_view answer, std::string reason) {
  return {.value = right ? 1.0 : 0.0, .parsed = shown_answer(answer), .reason = std::move(reason)};
}

}  // namespace detail

POSTTRAIN_INLINE void MathAnswer::check_answer(std::string_view answer) const {
  try {
    detail::gold_readings(answer);
  } catch (const Error& problem) {
    raise(
        "expected a mathematical answer, got \"{}\": {}; hint: numbers in digits, expressions in "
        "LaTeX or plain notation, or a few words in \\text{{…}}",
        detail::shown_answer(answer), problem.what());
  }
}

POSTTRAIN_INLINE Verdict MathAnswer::operator()(const Sample& sample) const {
  if (sample.answer.empty()) return Verdict::not_applicable("the record has no answer");
  std::vector<rewards::Expression> gold;
  try {
    gold = detail::gold_readings(sample.answer);
  } catch (const Error& problem) {
    return Verdict::not_applicable(std::string("the gold answer cannot be read: ") +
                                   problem.what());
  }
  const auto part = rewards::judged_part(sample.completion, after_think);
  if (!part) return detail::math_verdict(false, "", rewards::kNoEndOfThoughts);
  const std::string_view text = *part;
  const rewards::Boxes boxes = rewards::find_boxes(text);
  if (boxes.cut_off) return detail::math_verdict(false, "", "the last box is cut off");
  std::string answer = rewards::boxed_answer(text, boxes, join_boxes);
  if (answer.empty() && anywhere) answer = rewards::stated_answer(text);
  if (answer.empty()) return detail::math_verdict(false, "", anywhere ? "no answer" : "no box");

  const char choice = detail::gold_choice(gold.front());
  if (choice != '\0' && detail::names_choice(answer, choice)) {
    return detail::math_verdict(true, answer, "the choice");
  }
  std::vector<rewards::Expression> readings;
  try {
    readings = rewards::parse_readings(answer);
    if (const auto decimal = detail::with_decimal_point(answer)) {
      for (rewards::Expression& each : rewards::parse_readings(*decimal)) {
        readings.push_back(std::move(each));
      }
    }
  } catch (const Error& problem) {
    return detail::math_verdict(false, answer,
                                std::string("the answer cannot be read: ") + problem.what());
  }
  rewards::Comparer comparer({.relative_tolerance = relative_tolerance,
                              .percent_is_number = percent_is_number,
                              .inequality_as_interval = inequality_as_interval});
  bool undecided = false;
  for (const rewards::Expression& wanted : gold) {
    for (const rewards::Expression& given : readings) {
      const rewards::Equality result = comparer(given, wanted);
      if (result == rewards::Equality::equal) return detail::math_verdict(true, answer, "equal");
      undecided |= result == rewards::Equality::undecided;
    }
  }
  return detail::math_verdict(false, answer, undecided ? "not decided" : "different");
}

}  // namespace posttrain
