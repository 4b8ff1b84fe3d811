// SPDX-License-Identifier: Apache-2.0
// DiscoPOP, the log-ratio modulated loss (arXiv 2406.08414, equation 5), with x = β D, the
// difference D = s(r_w) − s(r_l), r = log π / π_ref and m = σ(x/τ):
//
//   L = mean over pairs of −(1 − m) log σ(x) + m e^(−x)
//
// TRL: loss_type "discopop", discopop_tau.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Discopop {
  using Batch = PairBatch;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double tau = 0.05;  // τ: temperature of the modulation
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Discopop.beta must be positive");
    if (!(tau > 0.0)) fail("posttrain: Discopop.tau must be positive");
    divergence.validate();
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const Tensor x = divergence.difference(pair_scores(scores, batch)).mul(beta);
    const Tensor m = x.div(tau).sigmoid();
    return x.neg().exp().mul(m).sub(logsigmoid(x).mul(m.neg().add(1.0)));
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means);
  }
};

}  // namespace posttrain
