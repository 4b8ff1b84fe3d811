// SPDX-License-Identifier: Apache-2.0
// Anchored preference optimisation, zero (arXiv 2408.06266, equation 7), for chosen answers that
// are better than the model's own: they become likelier, rejected ones less likely. r = log π /
// π_ref:
//
//   L = mean over pairs of 1 − σ(β r_w) + σ(β r_l)
//
// TRL: loss_type "apo_zero".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct ApoZero {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ApoZero.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    return sigmoid(-beta * pairs.chosen.log_ratio()) + sigmoid(beta * pairs.rejected.log_ratio());
  }
};

}  // namespace posttrain
