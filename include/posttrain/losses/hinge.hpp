// SPDX-License-Identifier: Apache-2.0
// The hinge loss of SLiC (arXiv 2305.10425) on log-ratios, as RSO has it (arXiv 2309.06657):
//
//   L = mean over pairs of max(0, 1 − β D),   D = s(r_w) − s(r_l),   r = log π / π_ref
//
// TRL: loss_type "hinge".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Hinge {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;  // 1/β is the margin
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Hinge.beta must be positive");
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    return relu(1.0 - beta * divergence.difference(pairs));
  }
};

}  // namespace posttrain
