// SPDX-License-Identifier: Apache-2.0
// The ratio of whole samples to what they were drawn from (VESPO, arXiv 2602.10693):
//
//   log w = Σ_t (d_t + log ρ_t),   d = log π − log π_old,   ρ = π_old / π_sampled
//
// for all tokens of a sample, without a division by their number. ρ are the loss's weights by
// importance (losses/policy/importance.hpp), cut as those say; without them w is
// SequenceForm::product. The weights are in w, so that the loss does not multiply its term by them.
// A token that they mask, ρ = 0, takes its sample to the least ratio there is.
#pragma once

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/policy/sequence_ratio.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct SampledRatio {
  static constexpr bool row_local = false;
  static constexpr bool holds_importance = true;

  Tensor operator()(const Tensor& log_ratio, const Tensor&, const RolloutBatch& batch) const {
    if (!batch.importance.defined()) return sample_sums(log_ratio, batch);
    return sample_sums(log_ratio + log(batch.importance), batch);
  }
};

}  // namespace posttrain
