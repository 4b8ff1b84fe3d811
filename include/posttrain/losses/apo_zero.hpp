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
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ApoZero.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor missed = pairs.chosen.log_ratio().mul(-beta).sigmoid();
    return missed.add(pairs.rejected.log_ratio().mul(beta).sigmoid());
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
