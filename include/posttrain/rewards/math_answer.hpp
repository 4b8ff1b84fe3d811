// SPDX-License-Identifier: Apache-2.0
// Judges the answer to a mathematical problem by what it says: 1 for the gold answer's value in any
// notation, 0 otherwise.
//
// The answer is the last \boxed{…} (rewards/text/boxes.hpp), parsed (parser.hpp) and compared
// exactly or at keyed random points (compare.hpp), within bounded time. As math-verify's parse and
// verify, which differ in this: a box that is cut off falls back to an earlier one there, numbers
// within 10^-15 of each other are equal (2^-99 = 2^-98), (3, 1) is {1, 3}, and powers of powers are
// evaluated.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct MathAnswer {
  /// Without a box, what the completion states to be the answer, or else its last formula or
  /// number, is graded. Off, a completion without a box is worth 0.
  bool anywhere = false;
  /// Only what stands behind the last "</think>" is read; without one there is no answer.
  bool after_think = false;
  /// Boxes side by side (\boxed{6}, \boxed{8}) are one list. Off, the last one alone counts.
  bool join_boxes = false;
  /// 28 % is worth 28, too, as where the question asks for percent. It always is 0.28.
  bool percent_is_number = false;
  /// −2 ≤ x ≤ 7 is an answer where [−2, 7] is wanted. Off, since the question may have said so
  /// itself; an interval always answers for an inequality.
  bool inequality_as_interval = false;
  /// How far a number with a decimal point may be off, relative to the larger of both; in [0, 0.1].
  /// Integers are compared exactly, as are fractions, roots and everything without a point.
  double relative_tolerance = 1e-8;

  constexpr void validate() const {
    if (!(relative_tolerance >= 0.0 && relative_tolerance <= 0.1)) {
      fail("posttrain: MathAnswer.relative_tolerance must be in [0, 0.1]");
    }
  }

  /// 1 or 0 with the answer that was read; not applicable where the gold answer cannot be read.
  Verdict operator()(const Sample& sample) const;

  /// A gold answer that cannot be read as mathematics, or has no value, is an Error. It may be a
  /// whole solution that ends in a box or in "#### 72".
  void check_answer(std::string_view answer) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/math_answer.ipp"
#endif
