// SPDX-License-Identifier: Apache-2.0
// Simple preference optimisation, without a reference (arXiv 2405.14734): the reward is the mean
// log-probability l/T of an answer's T tokens, which should differ by γ:
//
//   L = mean over pairs of −(1 − ε) log σ(x) − ε log σ(−x),   x = β (l_w/T_w − l_l/T_l) − γ
//
// TRL: CPOTrainer with loss_type "simpo", simpo_gamma = γ and cpo_alpha = 0.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct SimPo {
  using Batch = PairBatch;
  static constexpr bool needs_reference = false;
  static constexpr Reward reward = Reward::mean_logps;

  double beta = 2.0;             // β: the paper's range is 2 to 2.5 (TRL: 0.1)
  double gamma = 1.0;            // γ: target margin, 0.5 β and more in the paper (TRL: 0.5)
  double label_smoothing = 0.0;  // ε in [0, 0.5)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: SimPo.beta must be positive");
    if (!(gamma >= 0.0)) fail("posttrain: SimPo.gamma must not be negative");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: SimPo.label_smoothing must be in [0, 0.5)");
    }
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor margin = pairs.chosen.mean_logps() - pairs.rejected.mean_logps();
    return smoothed_logsigmoid(beta * margin - gamma, label_smoothing);
  }
};

}  // namespace posttrain
