// SPDX-License-Identifier: Apache-2.0
// On-policy distillation as a policy gradient: each sampled token's advantage is how much likelier
// the teacher finds it than the policy that wrote it,
//
//   A_t = c (log p_teacher − log p_old) [ + the advantage by rewards ]
//
// whose expectation is the gradient of KL(policy ‖ teacher) at each token, at the price of one
// number of the teacher for each token (slime and verl: on-policy distillation in the advantage).
// The whole distributions are compared by losses/distillation.hpp. Its parameters have a teacher
// (params/with_teacher.hpp). With `rewards`, samples are judged and compared as `policy` says.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy_loss.hpp"

namespace posttrain {

struct DistillationGradient {
  using Batch = RolloutBatch;
  using Policy = PolicyLoss<>;
  using Statistics = Policy::Statistics;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = false;
  static constexpr bool needs_teacher = true;

  Policy policy{};           // term, normaliser, entropy; and the advantage by rewards
  double coefficient = 1.0;  // c
  bool rewards = false;      // adds that advantage

  constexpr void validate() const {
    policy.validate();
    if (!(coefficient > 0.0)) {
      fail("posttrain: DistillationGradient.coefficient must be positive");
    }
    if (!rewards && policy.equal_rewards == EqualRewards::drop) {
      fail(
          "posttrain: expected DistillationGradient.rewards where groups of equal rewards are "
          "dropped; hint: the teacher's lead has nothing to do with them");
    }
  }

  Need needs() const { return policy.needs(); }
  double count(const RolloutBatch& batch) const { return policy.count(batch); }
  Statistics gather(const std::vector<Scored<RolloutBatch>>& step) const {
    return policy.gather(step);
  }
  Tensor sum(const Scores& scores, const RolloutBatch& batch, const Statistics& statistics) const {
    return policy.sum(scores, batch, statistics);
  }
  void measure(const Scores& scores, const RolloutBatch& batch, MetricMeans& means) const {
    policy.measure(scores, batch, means);
  }

  /// What moves with the run is the policy's coefficient of entropy.
  std::vector<double> first_state() const { return policy.first_state(); }
  std::vector<double> next_state(const std::vector<double>& state,
                                 const std::vector<std::pair<std::string, double>>& metrics) const {
    return policy.next_state(state, metrics);
  }
  DistillationGradient in_state(const std::vector<double>& state) const {
    DistillationGradient now = *this;
    now.policy = policy.in_state(state);
    return now;
  }

  RolloutNeeds rollout_needs() const {
    RolloutNeeds needs = policy.rollout_needs();
    needs.old_logps = true;
    needs.teacher_logps = true;
    needs.rewards = rewards;
    if (!rewards) needs.least_group = 1;
    return needs;
  }

  Advantages advantages(const Rollout& rollout) const {
    Advantages all = blank_advantages(rollout);
    if (rewards) {
      all = policy.advantages(rollout);
    } else {
      weigh_importance(rollout, policy.importance, all);
      if (policy.truncated == Truncated::mask) leave_out_truncated(rollout, all);
    }
    for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
      const RolloutGroup& group = rollout.groups[g];
      for (std::size_t s = 0; s < group.samples.size(); ++s) {
        add_teacher(group, group.samples[s], all[g][s]);
      }
    }
    return all;
  }

 private:
  void add_teacher(const RolloutGroup& group, const RolloutSample& sample,
                   SampleAdvantage& advantage) const {
    if (sample.teacher_logps.size() != sample.ids.size() ||
        sample.old_logps.size() != sample.ids.size()) {
      raise(
          "prompt {}: advantages need log p of policy and teacher of each of {} ids, got {} and {}",
          group.sample, sample.ids.size(), sample.old_logps.size(), sample.teacher_logps.size());
    }
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      if (sample.sampled[i] == 0) continue;
      const double lead = static_cast<double>(sample.teacher_logps[i]) - sample.old_logps[i];
      advantage.advantage[i] +=
          static_cast<float>(coefficient * std::clamp(lead, -kMaxLogRatio, kMaxLogRatio));
    }
  }
};

}  // namespace posttrain
