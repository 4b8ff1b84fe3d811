// SPDX-License-Identifier: Apache-2.0
// Alignment by optimal transport, unpaired (arXiv 2406.05882): the distribution of the chosen
// answers' log-ratios r = log π / π_ref should dominate that of the rejected ones'. Both are sorted
// over the whole optimizer step:
//
//   L = mean over ranks k of −(1 − ε) log σ(β δ_k) − ε log σ(−β δ_k),   δ_k = r_w,(k) − r_l,(k)
//
// TRL: loss_type "aot_unpaired", which sorts within a micro-batch.
#pragma once

#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/counterparts.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct AotUnpaired {
  using Batch = PairBatch;
  struct Statistics {
    Counterparts of_chosen{}, of_rejected{};
  };
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double label_smoothing = 0.0;  // ε in [0, 0.5)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: AotUnpaired.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: AotUnpaired.label_smoothing must be in [0, 0.5)");
    }
  }

  Statistics gather(const std::vector<Scored<PairBatch>>& step) const {
    std::vector<const TokenBatch*> batches;
    Tensors chosen, rejected;
    for (const Scored<PairBatch>& scored : step) {
      const PairScores pairs = pair_scores(scored.scores(), scored.batch());
      batches.push_back(&scored.batch());
      chosen.push_back(pairs.chosen.log_ratio());
      rejected.push_back(pairs.rejected.log_ratio());
    }
    return {{batches, chosen, rejected}, {batches, rejected, chosen}};
  }

  /// The values are those of the chosen answers' ranks. A rejected answer whose counterpart is in
  /// another micro-batch has its gradient here, at no value.
  Tensor losses(const PairScores& pairs, const Statistics& statistics) const {
    const auto loss = [&](const Tensor& difference) {
      return smoothed_logsigmoid(beta * difference, label_smoothing);
    };
    const Tensor of_chosen = loss(pairs.chosen.log_ratio() - statistics.of_chosen.of(*pairs.batch));
    const Tensor of_rejected =
        loss(statistics.of_rejected.of(*pairs.batch) - pairs.rejected.log_ratio());
    return of_chosen + (of_rejected - of_rejected.detach());
  }
};

}  // namespace posttrain
