// SPDX-License-Identifier: Apache-2.0
// Robust DPO (arXiv 2403.00409): unbiased where a share ε of the pairs has its labels flipped:
//
//   L = mean over pairs of [−(1 − ε) log σ(β D) + ε log σ(−β D)] / (1 − 2ε),   D = s(r_w) − s(r_l)
//
// with r = log π / π_ref. It may be negative. TRL: loss_type "robust".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct RobustDpo {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double label_smoothing = 0.1;  // ε in [0, 0.5)
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: RobustDpo.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: RobustDpo.label_smoothing must be in [0, 0.5)");
    }
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor x = beta * divergence.difference(pairs);
    const double flipped = label_smoothing, kept = 1.0 - label_smoothing;
    return (flipped * logsigmoid(-x) - kept * logsigmoid(x)) / (kept - flipped);
  }
};

}  // namespace posttrain
