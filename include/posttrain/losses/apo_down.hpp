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
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ApoDown.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor chosen = pairs.chosen.log_ratio();
    const Tensor difference = chosen.sub(pairs.rejected.log_ratio());
    return chosen.mul(beta).sigmoid().add(difference.mul(-beta).sigmoid());
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
