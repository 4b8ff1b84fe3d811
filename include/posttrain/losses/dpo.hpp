// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation (arXiv 2305.18290):
//
//   L = mean over pairs of −(1 − ε) log σ(β D) − ε log σ(−β D),   D = s(r_w) − s(r_l)
//
// with r = log π / π_ref of an answer and s of an f-divergence
// (losses/terms/f_divergence.hpp; reverse KL: s(r) = r). ε is the label smoothing of conservative
// DPO (cDPO). TRL: loss_type "sigmoid", which ignores label_smoothing.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Dpo {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;             // β: how strongly the reference holds
  double label_smoothing = 0.0;  // ε in [0, 0.5): share of pairs whose labels are flipped
  Divergence divergence{};

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Dpo.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: Dpo.label_smoothing must be in [0, 0.5)");
    }
    divergence.validate();
  }

  Tensor losses(const PairScores& pairs) const {
    return smoothed_logsigmoid(beta * divergence.difference(pairs), label_smoothing);
  }
};

}  // namespace posttrain
