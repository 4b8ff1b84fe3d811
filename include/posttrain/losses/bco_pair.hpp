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
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: BcoPair.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor chosen = logsigmoid(pairs.chosen.log_ratio().mul(beta));
    return chosen.add(logsigmoid(pairs.rejected.log_ratio().mul(-beta))).neg();
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
