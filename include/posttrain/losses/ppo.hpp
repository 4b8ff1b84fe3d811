// SPDX-License-Identifier: Apache-2.0
// Proximal policy optimisation with a critic (arXiv 1707.06347; of language models: 2203.02155):
//
//   L = Σ_t [ max(−A_t w_t, −A_t clip(w_t, 1 ± .2)) + c_v · value error_t ] / tokens
//
// with A by generalised advantage estimation (losses/policy/gae.hpp), whitened over the rollout,
// and the critic's error (losses/policy/value_error.hpp). Its parameters have a critic:
// WithCritic{Lora{}} on the policy's trunk, WithCriticModel for one of its own. With a reference,
// `Ppo::With<Kl>`, the paper's penalty of .05 · k1 stands in the reward of each token.
// TRL: PPOTrainer (vf_coef, cliprange, cliprange_value, gamma, lam, kl_coef); verl: adv_estimator
// gae.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/gae.hpp"
#include "posttrain/losses/policy/value_error.hpp"
#include "posttrain/losses/policy_loss.hpp"

namespace posttrain {

namespace papers {

struct Ppo : DefaultValues {
  static constexpr Kl kl{0.05, KlEstimator::k1, KlPlace::reward};
  static constexpr AdvantageEstimator advantage{.baseline = Baseline::none,
                                                .scale = AdvantageScale::none};
};

}  // namespace papers

template <class KlPart = NoKl>
struct PpoLoss {
  using Batch = RolloutBatch;
  using Policy = PolicyLoss<Clip, TokenRatio, KlPart, papers::Ppo>;
  using Statistics = typename Policy::Statistics;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = KlPart::needs_reference;
  static constexpr bool needs_critic = true;

  /// The same loss compared with a reference: Ppo::With<Kl>{}.
  template <class Other>
  using With = PpoLoss<Other>;

  Policy policy{};  // everything but the estimate of advantages, which is `gae`
  Gae gae{};
  double value_coefficient = 0.1;  // c_v
  double value_clip = 0.2;         // 0: off
  // The first rollouts train the critic alone. With a critic on the trunk, the policy moves with it
  // unless WithCritic::trains_trunk is off.
  std::int64_t critic_warmup = 0;

  constexpr void validate() const {
    policy.validate();
    gae.validate();
    if (policy.advantage.baseline != Baseline::none ||
        policy.advantage.scale != AdvantageScale::none ||
        policy.advantage.rewards != RewardMix::summed) {
      fail("posttrain: Ppo.policy.advantage has to stay as it is: Ppo.gae estimates advantages");
    }
    if (!(value_coefficient >= 0.0)) {
      fail("posttrain: Ppo.value_coefficient must not be negative");
    }
    if (!(value_clip >= 0.0)) fail("posttrain: Ppo.value_clip must not be negative");
    if (critic_warmup < 0) fail("posttrain: Ppo.critic_warmup must not be negative");
    if (critic_warmup > 0 && (policy.entropy_coefficient != 0.0 || policy.entropy_control.on())) {
      fail(
          "posttrain: expected no entropy bonus beside Ppo.critic_warmup, which trains the critic "
          "alone");
    }
  }

  Need needs() const {
    Need need = policy.needs();
    need.value = true;
    return need;
  }

  double count(const RolloutBatch& batch) const { return policy.count(batch); }

  Statistics gather(const std::vector<Scored<RolloutBatch>>& step) const {
    return policy.gather(step);
  }

  Tensor sum(const Scores& scores, const RolloutBatch& batch, const Statistics& statistics) const {
    const Tensor errors = value_error(scores.value, batch, value_clip);
    return policy.sum(scores, batch, statistics) +
           value_coefficient * (errors * batch.weight).sum();
  }

  /// What moves with the run is the policy's coefficient of entropy.
  std::vector<double> first_state() const { return policy.first_state(); }
  std::vector<double> next_state(const std::vector<double>& state,
                                 const std::vector<std::pair<std::string, double>>& metrics) const {
    return policy.next_state(state, metrics);
  }
  PpoLoss in_state(const std::vector<double>& state) const {
    PpoLoss now = *this;
    now.policy = policy.in_state(state);
    return now;
  }

  /// Those of PolicyLoss, and those of losses/policy/value_error.hpp.
  void measure(const Scores& scores, const RolloutBatch& batch, MetricMeans& means) const {
    policy.measure(scores, batch, means);
    measure_values(scores.value, batch, value_clip, means);
  }

  RolloutNeeds rollout_needs() const {
    RolloutNeeds needs = policy.rollout_needs();
    needs.values = true;
    return needs;
  }

  Advantages advantages(const Rollout& rollout) const {
    Advantages all = blank_advantages(rollout);
    weigh_importance(rollout, policy.importance, all);
    estimate_gae(rollout, gae, policy.reward_penalty(), all);
    if (rollout.number < critic_warmup) {
      for (auto& group : all) {
        for (SampleAdvantage& sample : group) {
          sample.advantage.assign(sample.advantage.size(), 0.0F);
        }
      }
    }
    if (policy.truncated == Truncated::mask) leave_out_truncated(rollout, all);
    return all;
  }
};

using Ppo = PpoLoss<>;

}  // namespace posttrain
