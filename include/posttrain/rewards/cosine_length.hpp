// SPDX-License-Identifier: Apache-2.0
// A reward that pays for the right answer and for its length (arXiv 2502.03373, section 4). With T
// sampled tokens of at most L, from a value r₀ at T = 0 to r_L at T = L along half a cosine:
//
//   r_L + ½ (r₀ − r_L) (1 + cos(π T / L)),    `exceeded` where T ≥ L
//
// with r₀, r_L for right and for wrong answers, as another verifier (`judge`) says. By default a
// short right answer is worth most and a short wrong one costs most: thinking longer pays where the
// answer is not found. Values are open-r1's; there T counts characters, and beyond L the cosine
// turns back, so that a longer text earns more again.
//
//   CosineLength{MathAnswer{}, {.max_length = 4096}}
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/verifier.hpp"

namespace posttrain {

struct CosineLengths {
  std::int64_t max_length = 0;  // L, tokens: the longest that the generation allows; must be set
  double right_short = 1.0;     // r₀ of a right answer
  double right_long = 0.5;      // r_L of a right answer
  double wrong_short = -1.0;    // r₀ of a wrong answer
  double wrong_long = -0.5;     // r_L of a wrong answer
  double exceeded = -1.0;       // at L and beyond, right or wrong

  constexpr void validate() const {
    if (max_length < 1) {
      fail("posttrain: CosineLength.max_length must be set to the generation's longest");
    }
    for (const double value : {right_short, right_long, wrong_short, wrong_long, exceeded}) {
      if (!(value - value == 0.0)) fail("posttrain: CosineLength's values must be finite");
    }
  }

  /// The reward of a sample of `length` tokens.
  double value(bool right, std::int64_t length) const {
    if (length >= max_length) return exceeded;
    const double first = right ? right_short : wrong_short;
    const double last = right ? right_long : wrong_long;
    const double way = static_cast<double>(length) / static_cast<double>(max_length);
    return last + 0.5 * (first - last) * (1.0 + std::cos(std::numbers::pi * way));
  }
};

template <class Judge>
struct CosineLength {
  Judge judge;  // above ½ is right; where it does not apply, nor does this
  CosineLengths lengths{};

  void validate() const {
    if constexpr (requires { judge.validate(); }) judge.validate();
    lengths.validate();
  }

  void check_answer(std::string_view answer) const {
    if constexpr (ChecksAnswers<Judge>) judge.check_answer(answer);
  }

  Verdict operator()(const Sample& sample) const {
    if (sample.ids.empty() && !sample.completion.empty()) {
      return Verdict::not_applicable("the sample has no ids to count");
    }
    Verdict verdict = verdict_from(judge(sample));
    if (!verdict.applicable()) return verdict;
    const bool right = *verdict.value > 0.5;
    const std::int64_t length = sample.sampled_tokens();
    verdict.value = lengths.value(right, length);
    verdict.reason =
        (right ? "right" : "wrong: " + verdict.reason) + ", " + std::to_string(length) + " tokens";
    return verdict;
  }
};
template <class Judge>
CosineLength(Judge) -> CosineLength<Judge>;
template <class Judge>
CosineLength(Judge, CosineLengths) -> CosineLength<Judge>;

}  // namespace posttrain
