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
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: NcaPair.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor chosen = pairs.chosen.log_ratio().mul(beta);
    const Tensor rejected = pairs.rejected.log_ratio().mul(beta);
    const Tensor pushed = logsigmoid(chosen.neg()).add(logsigmoid(rejected.neg())).mul(0.5);
    return logsigmoid(chosen).add(pushed).neg();
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
