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
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;  // log-ratios are drawn to ±1/(2β)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: SppoHard.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor chosen = pairs.chosen.log_ratio().sub(0.5 / beta).square();
    return chosen.add(pairs.rejected.log_ratio().add(0.5 / beta).square());
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
