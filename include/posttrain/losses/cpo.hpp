// SPDX-License-Identifier: Apache-2.0
// The preference term of contrastive preference optimisation (arXiv 2401.08417), DPO with a uniform
// reference:
//
//   L = mean over pairs of −(1 − ε) log σ(β (l_w − l_l)) − ε log σ(−β (l_w − l_l))
//
// with l the log-probability of an answer. The whole objective adds the likelihood of the chosen
// ones: `Cpo{} + 1.0 * OnChosen{NextToken{}}` (TRL: CPOTrainer, loss_type "sigmoid", cpo_alpha =
// 1).
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Cpo {
  using Batch = PairBatch;
  static constexpr bool needs_reference = false;

  double beta = 0.1;
  double label_smoothing = 0.0;  // ε in [0, 0.5)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Cpo.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: Cpo.label_smoothing must be in [0, 0.5)");
    }
  }

  Tensor losses(const PairScores& pairs) const {
    return smoothed_logsigmoid(beta * (pairs.chosen.logps - pairs.rejected.logps), label_smoothing);
  }
};

}  // namespace posttrain
