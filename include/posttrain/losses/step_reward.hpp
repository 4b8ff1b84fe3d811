// SPDX-License-Identifier: Apache-2.0
// The loss of process reward models: a reward at the end of each step of a solution, from which
// σ(r) is the probability that the step is right (arXiv 2305.20050, 2312.08935):
//
//   L = mean over steps of −y log σ(r) − (1 − y) log σ(−r)
//
// y is the step's label: 1, 0, or a share of continuations that reached the answer. Differs from
// TRL's PRMTrainer in that the head has one output; its two logits' difference is r.
#pragma once

#include "posttrain/batch/steps.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

struct StepReward {
  using Batch = StepRewardBatch;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = false;

  Need needs() const { return reward_needs(); }

  /// The number of steps.
  double count(const StepRewardBatch& batch) const {
    return static_cast<double>(batch.predictions());
  }

  Tensor sum(const Scores& scores, const StepRewardBatch& batch) const;

  /// accuracy (of σ(r) > ½ against y > ½), mean_reward.
  void measure(const Scores& scores, const StepRewardBatch& batch, MetricMeans& means) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/impl/step_reward.ipp"
#endif
