// SPDX-License-Identifier: Apache-2.0
// The clipped weight of CISPO (MiniMax-M1, arXiv 2506.13585): −sg(clip(w, floor, cap)) A log p.
//
// No token's gradient is cut off: a ratio out of bounds only weighs less. Bounds are those of the
// ratio itself. TRL (epsilon_high) and ScaleRL (2510.13786) have a cap alone, 5; verl's bounds are
// {.floor = 1 − clip_ratio_low, .cap = 1 + clip_ratio_high}.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/clip.hpp"

namespace posttrain {

struct CispoTerm {
  double floor = 0.0;
  double cap = 5.0;

  constexpr void validate() const {
    if (!(floor >= 0.0 && floor <= 1.0 && cap >= 1.0)) {
      fail("posttrain: expected CispoTerm.floor in [0, 1] and CispoTerm.cap of at least 1");
    }
  }

  Tensor operator()(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return -(ratio.detach().clamp(floor, cap) * advantage * logps);
  }

  ClippedRatios clipped(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    return {ratio.lt(floor).logical_and(advantage.lt(0.0)),
            ratio.gt(cap).logical_and(advantage.gt(0.0))};
  }
};

}  // namespace posttrain
