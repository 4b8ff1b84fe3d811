// SPDX-License-Identifier: Apache-2.0
// Identity preference optimisation (arXiv 2310.12036, equation 17, with β for its τ):
//
//   L = mean over pairs of (s(r_w)/T_w − s(r_l)/T_l − 1/(2β))²
//
// with r = log π / π_ref of an answer of T tokens. Averages over tokens are the way of the paper's
// authors and of TRL's loss_type "ipo"; sums would let long answers ask for a larger margin.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Ipo {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;  // τ of the paper: the margin is 1/(2β) per token
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Ipo.beta must be positive");
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    return square(divergence.mean_difference(pairs) - 0.5 / beta);
  }
};

}  // namespace posttrain
