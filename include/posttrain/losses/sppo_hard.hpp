// SPDX-License-Identifier: Apache-2.0
// Self-play preference optimisation with hard labels (arXiv 2405.00675, equation 4.7 with P = 1 for
// the chosen answer and 0 for the rejected one), r = log π / π_ref:
//
//   L = mean over pairs of (r_w − 1/(2β))² + (r_l + 1/(2β))²
//
// TRL: loss_type "sppo_hard".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct SppoHard {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;  // log-ratios are drawn to ±1/(2β)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: SppoHard.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    return square(pairs.chosen.log_ratio() - 0.5 / beta) +
           square(pairs.rejected.log_ratio() + 0.5 / beta);
  }
};

}  // namespace posttrain
