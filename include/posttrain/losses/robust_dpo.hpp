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
  static constexpr bool row_local = false;
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

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const Tensor x = divergence.difference(pair_scores(scores, batch)).mul(beta);
    const Tensor clean = logsigmoid(x).mul(label_smoothing - 1.0);
    return clean.add(logsigmoid(x.neg()).mul(label_smoothing)).div(1.0 - 2.0 * label_smoothing);
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
