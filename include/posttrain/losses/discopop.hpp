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
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double tau = 0.05;  // τ: temperature of the modulation
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Discopop.beta must be positive");
    if (!(tau > 0.0)) fail("posttrain: Discopop.tau must be positive");
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor x = beta * divergence.difference(pairs);
    const Tensor m = sigmoid(x / tau);
    return exp(-x) * m - logsigmoid(x) * (1.0 - m);
  }
};

}  // namespace posttrain
