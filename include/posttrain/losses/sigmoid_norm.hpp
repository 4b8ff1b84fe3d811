// SPDX-License-Identifier: Apache-2.0
// DPO on log-ratios per token (Tülu 3's length-normalised DPO, arXiv 2411.15124):
//
//   L = mean over pairs of −log σ(β (s(r_w)/T_w − s(r_l)/T_l))
//
// with r = log π / π_ref of an answer of T tokens. TRL: loss_type "sigmoid_norm".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct SigmoidNorm {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 5.0;  // larger than DPO's: its log-ratios are averages (Tülu 3's value)
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: SigmoidNorm.beta must be positive");
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    return -logsigmoid(beta * divergence.mean_difference(pairs));
  }
};

}  // namespace posttrain
