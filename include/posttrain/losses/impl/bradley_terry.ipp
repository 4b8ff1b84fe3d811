// SPDX-License-Identifier: Apache-2.0
// Definitions of bradley_terry.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor BradleyTerry::losses(const Scores& scores, const RewardBatch& batch) const {
  const Tensor pairs = scores.reward().view({-1, 2});  // [pairs, 2]
  const Tensor chosen = pairs.select(1, 0), rejected = pairs.select(1, 1);
  Tensor losses = -at::log_sigmoid(chosen - rejected - batch.margin);
  if (center_rewards_coefficient > 0.0) {
    losses = losses + center_rewards_coefficient * square(chosen + rejected);
  }
  return losses;
}

POSTTRAIN_INLINE void BradleyTerry::measure(const Scores& scores, const RewardBatch& batch,
                                            MetricMeans& means) const {
  const Tensor& rewards = scores.reward();
  const Tensor pairs = rewards.view({-1, 2});
  const Tensor chosen = pairs.select(1, 0), rejected = pairs.select(1, 1);
  const auto add = [&](const char* name, const Tensor& values) {
    means.add(name, values.sum(at::kDouble), values.size(0));
  };
  add("accuracy", chosen > rejected);
  add("margin", chosen - rejected);
  add("mean_reward", rewards);
  if (batch.items() == 0) return;
  means.add_min("min_reward", rewards.min());
  means.add_max("max_reward", rewards.max());
}

}  // namespace posttrain
