// SPDX-License-Identifier: Apache-2.0
// The clipped surrogate of PPO (arXiv 1707.06347, equation 7), with w the ratio and A the
// advantage:
//
//   −min(min(w, cap) A, clip(w, 1 − low, 1 + high) A)
//
// and, where dual > 0, at most −dual · A for A < 0 (dual clip, 1912.09729). `high` above `low` is
// DAPO's clip-higher (2503.14476); `cap` bounds w where A < 0, which the clip leaves unbounded
// (INTELLECT-2, 2505.07291). TRL: epsilon, epsilon_high, delta; verl: clip_ratio_c is dual.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Which predictions a term no longer moves, [P] bool each: their ratio is below, or above what
/// their advantage allows.
struct ClippedRatios {
  Tensor low, high;
};

struct Clip {
  double low = 0.2;
  double high = 0.2;
  double dual = 0.0;  // above 1; 0: off
  double cap = 0.0;   // above 1 + high; 0: off

  constexpr void validate() const {
    if (!(low >= 0.0 && low <= 1.0 && high >= 0.0)) {
      fail("posttrain: expected Clip.low in [0, 1] and Clip.high not negative");
    }
    if (dual != 0.0 && !(dual > 1.0)) {
      fail("posttrain: expected Clip.dual above 1, or 0: no dual clip");
    }
    if (cap != 0.0 && !(cap > 1.0 + high)) {
      fail("posttrain: expected Clip.cap above 1 + high, or 0: no cap");
    }
  }

  Tensor operator()(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    const Tensor bounded = cap > 0.0 ? ratio.clamp_max(cap) : ratio;
    const Tensor loss =
        -(bounded * advantage).minimum(ratio.clamp(1.0 - low, 1.0 + high) * advantage);
    if (dual == 0.0) return loss;
    return loss.minimum(advantage.clamp_max(0.0) * -dual).where(advantage.lt(0.0), loss);
  }

  ClippedRatios clipped(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    return {ratio.lt(1.0 - low).logical_and(advantage.lt(0.0)),
            ratio.gt(1.0 + high).logical_and(advantage.gt(0.0))};
  }
};

}  // namespace posttrain
