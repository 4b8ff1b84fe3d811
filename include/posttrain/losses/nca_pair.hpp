// SPDX-License-Identifier: Apache-2.0
// Noise-contrastive alignment for pairs (arXiv 2402.05369): rewards β r keep the chosen answer's
// likelihood up, r = log π / π_ref:
//
//   L = mean over pairs of −log σ(β r_w) − ½ log σ(−β r_w) − ½ log σ(−β r_l)
//
// TRL: loss_type "nca_pair".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct NcaPair {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: NcaPair.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor chosen = beta * pairs.chosen.log_ratio();
    const Tensor rejected = beta * pairs.rejected.log_ratio();
    return -logsigmoid(chosen) - 0.5 * (logsigmoid(-chosen) + logsigmoid(-rejected));
  }
};

}  // namespace posttrain
