// SPDX-License-Identifier: Apache-2.0
// Alignment by optimal transport on pairs (arXiv 2406.05882): the distribution of the policy's
// margins should dominate that of the reference's. Margins u = log π(y_w) − log π(y_l) and
// v = log π_ref(y_w) − log π_ref(y_l) are sorted over the whole optimizer step:
//
//   L = mean over ranks k of −(1 − ε) log σ(β δ_k) − ε log σ(−β δ_k),   δ_k = u_(k) − v_(k)
//
// TRL: loss_type "aot", which sorts within a micro-batch, so that its loss depends on the split.
#pragma once

#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/counterparts.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct AotPair {
  using Batch = PairBatch;
  using Statistics = Counterparts;
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double label_smoothing = 0.0;  // ε in [0, 0.5)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: AotPair.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: AotPair.label_smoothing must be in [0, 0.5)");
    }
  }

  Counterparts gather(const std::vector<Scored<PairBatch>>& step) const {
    std::vector<const TokenBatch*> batches;
    Tensors margins, ref_margins;
    for (const Scored<PairBatch>& scored : step) {
      const PairScores pairs = pair_scores(scored.scores(), scored.batch());
      batches.push_back(&scored.batch());
      margins.push_back(pairs.chosen.logps - pairs.rejected.logps);
      ref_margins.push_back(pairs.chosen.ref_logps - pairs.rejected.ref_logps);
    }
    return {std::move(batches), margins, ref_margins};
  }

  Tensor losses(const PairScores& pairs, const Counterparts& ref_margins) const {
    const Tensor margins = pairs.chosen.logps - pairs.rejected.logps;
    return smoothed_logsigmoid(beta * (margins - ref_margins.of(*pairs.batch)), label_smoothing);
  }
};

}  // namespace posttrain
