// SPDX-License-Identifier: Apache-2.0
// Efficient exact optimisation for two answers (arXiv 2402.00856, equation 16): the reverse KL
// divergence of the policy's preference from the smoothed label,
//
//   L = mean over pairs of q (log q − log(1 − ε)) + (1 − q)(log(1 − q) − log ε),   q = σ(β D)
//
// with D = s(r_w) − s(r_l) and r = log π / π_ref. TRL: loss_type "exo_pair", whose default
// label_smoothing of 0 gives infinity.
#pragma once

#include <cmath>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct ExoPair {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double label_smoothing = 1e-3;  // ε in (0, 0.5); the paper's value
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ExoPair.beta must be positive");
    if (!(label_smoothing > 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: ExoPair.label_smoothing must be in (0, 0.5)");
    }
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor x = beta * divergence.difference(pairs);
    return sigmoid(x) * (logsigmoid(x) - std::log1p(-label_smoothing)) +
           sigmoid(-x) * (logsigmoid(-x) - std::log(label_smoothing));
  }
};

}  // namespace posttrain
