// SPDX-License-Identifier: Apache-2.0
// The geometric mean of clipped token ratios (GMPO, arXiv 2507.20673):
//
//   w = exp(mean_t s · min(s d_t, s clip(d_t, −low, high))),   s = sign(A), d = log π − log π_old
//
// Tokens are clipped one by one, in log space, before the mean: one outlier moves no sample. With
// the term Reinforce the loss of a sample is −A w. TRL's GMPO is experimental and the same.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/sequence_ratio.hpp"

namespace posttrain {

struct GeometricMean {
  static constexpr bool row_local = false;

  double low = 0.4;
  double high = 0.4;

  constexpr void validate() const {
    if (!(low >= 0.0 && high >= 0.0)) {
      fail("posttrain: GeometricMean's bounds must not be negative");
    }
  }

  Tensor operator()(const Tensor& log_ratio, const Tensor& advantage,
                    const RolloutBatch& batch) const {
    const Tensor sign = advantage.sign();
    return sample_means(sign * (sign * log_ratio).minimum(sign * log_ratio.clamp(-low, high)),
                        batch);
  }
};

}  // namespace posttrain
