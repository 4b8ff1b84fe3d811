// SPDX-License-Identifier: Apache-2.0
// Definitions of step_reward.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor StepReward::sum(const Scores& scores, const StepRewardBatch& batch) const {
  const Tensor& r = scores.reward();
  const Tensor& y = batch.label;
  return -(y * at::log_sigmoid(r) + (1.0 - y) * at::log_sigmoid(-r)).sum();
}

POSTTRAIN_INLINE void StepReward::measure(const Scores& scores, const StepRewardBatch& batch,
                                          MetricMeans& means) const {
  const auto add = [&](const char* name, const Tensor& values) {
    means.add(name, values.sum(at::kDouble), values.size(0));
  };
  add("accuracy", (scores.reward() > 0) == (batch.label > 0.5));
  add("mean_reward", scores.reward());
}

}  // namespace posttrain
