// SPDX-License-Identifier: Apache-2.0
// Binary classifier optimisation on pairs, without a reward shift (arXiv 2404.04656):
//
//   L = mean over pairs of −log σ(β r_w) − log σ(−β r_l),   r = log π / π_ref
//
// TRL: loss_type "bco_pair". With the paper's reward shift, on single judged answers:
// losses/bco.hpp.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct BcoPair {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: BcoPair.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    return -logsigmoid(beta * pairs.chosen.log_ratio()) -
           logsigmoid(-beta * pairs.rejected.log_ratio());
  }
};

}  // namespace posttrain
