// SPDX-License-Identifier: Apache-2.0
// Anchored preference optimisation, down (arXiv 2408.06266, equation 8), for chosen answers that
// are worse than the model's own: both become less likely, the rejected one more so. r = log π /
// π_ref:
//
//   L = mean over pairs of σ(β r_w) + 1 − σ(β (r_w − r_l))
//
// TRL: loss_type "apo_down".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct ApoDown {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ApoDown.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor chosen = pairs.chosen.log_ratio();
    return sigmoid(beta * chosen) + sigmoid(-beta * (chosen - pairs.rejected.log_ratio()));
  }
};

}  // namespace posttrain
