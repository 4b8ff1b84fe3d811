// SPDX-License-Identifier: Apache-2.0
// Definitions of numeric_answer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/rewards/text/parts.hpp"

namespace posttrain {

namespace detail {

/// What stands behind the last four number signs, to the end of the line, and where; a longer row
/// of signs is none.
struct BehindHashes {
  bool found = false;
  std::string_view content;
  std::size_t begin = 0;
};

inline BehindHashes behind_hashes(std::string_view text) {
  for (std::size_t end = text.size(); end > 0;) {
    const std::size_t last = text.find_last_of('#', end - 1);
    if (last == text.npos) return {};
    std::size_t first = last;
    while (first > 0 && text[first - 1] == '#') --first;
    if (last - first + 1 == 4) {
      const std::string_view rest = text.substr(last + 1);
      return {true, rest.substr(0, rest.find('\n')), first};
    }
    end = first;
  }
  return {};
}

/// The number in a box; a percent sign may stand behind the box instead of in it.
inline std::optional<rewards::NumberText> boxed_number(std::string_view text,
                                                       const rewards::LastBox& box) {
  std::optional<rewards::NumberText> number = rewards::whole_number(box.content);
  constexpr std::size_t kNear = 24;  // bytes that hold a percent sign's longest form
  if (number && !number->percent) {
    number->percent = rewards::begins_with_percent(text.substr(box.end, kNear));
  }
  return number;
}

inline std::string shown_number(const rewards::NumberText& number) {
  return number.value.text() + (number.percent ? "%" : "");
}

}  // namespace detail

POSTTRAIN_INLINE void NumericAnswer::validate() const {
  if (!(absolute_tolerance >= 0.0) || !std::isfinite(absolute_tolerance)) {
    fail("posttrain: NumericAnswer.absolute_tolerance must be finite and at least 0");
  }
  if (!(relative_tolerance >= 0.0 && relative_tolerance < 1.0)) {
    fail("posttrain: NumericAnswer.relative_tolerance must be in [0, 1)");
  }
  if (!hashes && !box && !last_number) {
    fail("posttrain: NumericAnswer needs one of hashes, box and last_number");
  }
}

POSTTRAIN_INLINE std::optional<rewards::NumberText> NumericAnswer::gold(std::string_view answer) {
  const std::string text = rewards::without_calculator_marks(answer);
  const detail::BehindHashes behind = detail::behind_hashes(text);
  if (behind.found) return rewards::whole_number(behind.content);
  const rewards::LastBox last = rewards::last_box(text);
  if (last.found) return last.terminated ? detail::boxed_number(text, last) : std::nullopt;
  return rewards::whole_number(text);
}

POSTTRAIN_INLINE void NumericAnswer::check_answer(std::string_view answer) const {
  if (!gold(answer)) {
    raise(
        "expected a number as answer, got '{}'; hint: MathAnswer reads fractions and expressions, "
        "ExactMatch texts",
        answer);
  }
}

POSTTRAIN_INLINE NumericAnswer::Found NumericAnswer::answer_of(std::string_view text) const {
  const detail::BehindHashes behind = hashes ? detail::behind_hashes(text) : detail::BehindHashes();
  const rewards::LastBox boxed = box ? rewards::last_box(text) : rewards::LastBox();
  if (boxed.found && (!behind.found || boxed.end > behind.begin)) {
    if (!boxed.terminated) return {{}, "the last box does not end"};
    return {detail::boxed_number(text, boxed), "the last box holds no number"};
  }
  if (behind.found) return {rewards::whole_number(behind.content), "no number behind ####"};
  if (last_number) return {rewards::last_number(text), "the text does not end in a number"};
  return {{}, hashes && box ? "neither #### nor a box" : hashes ? "no ####" : "no box"};
}

POSTTRAIN_INLINE bool NumericAnswer::equal(const rewards::NumberText& found,
                                           const rewards::NumberText& wanted) const {
  using rewards::Decimal;
  const auto near = [&](const Decimal& a, const Decimal& b) {
    if (a == b) return true;
    if (absolute_tolerance == 0.0 && relative_tolerance == 0.0) return false;
    const double distance = Decimal::distance(a, b);
    return distance <= absolute_tolerance ||
           distance <= relative_tolerance * std::abs(b.to_double());
  };
  if (found.percent == wanted.percent) return near(found.value, wanted.value);
  const auto value = [](const rewards::NumberText& number) {
    return number.percent ? number.value.shifted(-2) : number.value;
  };
  return near(value(found), value(wanted)) ||
         (percent_is_number && near(found.value, wanted.value));
}

POSTTRAIN_INLINE Verdict NumericAnswer::operator()(const Sample& sample) const {
  const std::optional<rewards::NumberText> wanted = gold(sample.answer);
  if (!wanted) return Verdict::not_applicable("the record's answer is no number");
  const auto part = rewards::judged_part(sample.completion, after_think);
  if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
  Found found = answer_of(rewards::without_calculator_marks(*part));
  if (!found.number) return Verdict::of(0.0, "", std::move(found.reason));
  const bool right = equal(*found.number, *wanted);
  return Verdict::of(right ? 1.0 : 0.0, detail::shown_number(*found.number),
                     right ? "equal" : "expected " + detail::shown_number(*wanted));
}

}  // namespace posttrain
