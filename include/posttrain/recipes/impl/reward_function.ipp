// SPDX-License-Identifier: Apache-2.0
// Definitions of reward_function.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/recipes/reward_function.hpp"
#include "posttrain/rewards/choice.hpp"
#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/math_answer.hpp"
#include "posttrain/rewards/numeric_answer.hpp"

namespace posttrain {

POSTTRAIN_INLINE RewardFunction::RewardFunction(std::string_view name) {
  if (name == "numeric") {
    *this = RewardFunction("numeric", NumericAnswer{.last_number = true});
  } else if (name == "math") {
    *this = RewardFunction("math", MathAnswer{});
  } else if (name == "exact") {
    *this = RewardFunction("exact", ExactMatch{});
  } else if (name == "choice") {
    *this = RewardFunction("choice", Choice{});
  } else {
    raise(
        "expected a verifier's name (numeric, math, exact, choice) or something callable with a "
        "sample, got \"{}\"",
        name);
  }
}

}  // namespace posttrain
