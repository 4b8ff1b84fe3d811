// SPDX-License-Identifier: Apache-2.0
// The loss of reward models on pairs of answers (Bradley and Terry):
//
//   L = mean over pairs of −log σ(r_w − r_l − m) + c (r_w + r_l)²
//
// with r the rewards of the chosen and the rejected answer, m the pair's margin from the data
// (arXiv 2307.09288; 0 where they have none) and c the centring coefficient, which keeps rewards
// near 0 (arXiv 2312.09244; TRL: center_rewards_coefficient). Its model is one whose head gives
// rewards, hub::RewardModel. Metrics have TRL's names (RewardTrainer); min_reward and max_reward
// are those of the whole step.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

struct BradleyTerry {
  using Batch = RewardBatch;
  static constexpr bool needs_reference = false;

  double center_rewards_coefficient = 0.0;  // c; typical 0.01

  constexpr void validate() const {
    if (!(center_rewards_coefficient >= 0.0)) {
      fail("posttrain: BradleyTerry.center_rewards_coefficient must not be negative");
    }
  }

  Need needs() const { return reward_needs(); }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const RewardBatch& batch) const;

  /// accuracy, margin, mean_reward, min_reward, max_reward.
  void measure(const Scores& scores, const RewardBatch& batch, MetricMeans& means) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/impl/bradley_terry.ipp"
#endif
