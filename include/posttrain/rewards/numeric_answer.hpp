// SPDX-License-Identifier: Apache-2.0
// 1 where the completion ends in the record's number, else 0.
//
//   NumericAnswer{}                                 "… #### 42", or "… \boxed{42}"
//   NumericAnswer{.last_number = true}              and "The answer is 42." where neither stands
//   NumericAnswer{.absolute_tolerance = 0.01, .relative_tolerance = 1e-3}
//
// Numbers are decimals of any length and compared exactly where no tolerance is set
// (rewards/text/number_text.hpp says how they may be written). The last of "####" and box counts; a
// box without an end, a line behind "####" that is no number, is no answer, whatever stands before
// it. lm-eval's strict filter of GSM8K refuses "#### 29.00." and its flexible one takes the last
// digits; verl searches the last 300 characters only. Fractions and expressions: MathAnswer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/text/number_text.hpp"

namespace posttrain {

struct NumericAnswer {
  bool hashes = true;               // reads "#### 42", to the end of the line
  bool box = true;                  // reads \boxed{42}
  bool last_number = false;         // where neither stands, the last number of the text
  double absolute_tolerance = 0.0;  // |a − gold| that is no difference
  double relative_tolerance = 0.0;  // the same as a share of |gold|; one of both suffices
  bool percent_is_number = false;   // "20 %" is 20, too; it always is 0.2
  bool after_think = false;         // reads behind the last </think> only; none: 0

  void validate() const;

  /// An answer is a number, "#### 42" at the end of a solution, or a box. Any other is an error.
  void check_answer(std::string_view answer) const;

  Verdict operator()(const Sample& sample) const;

 private:
  struct Found {
    std::optional<rewards::NumberText> number;
    std::string reason;  // why there is none
  };
  Found answer_of(std::string_view text) const;
  static std::optional<rewards::NumberText> gold(std::string_view answer);
  bool equal(const rewards::NumberText& found, const rewards::NumberText& wanted) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/numeric_answer.ipp"
#endif
