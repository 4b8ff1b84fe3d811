// SPDX-License-Identifier: Apache-2.0
// Advantages: what each sample's rewards say about its tokens, compared with the other samples.
//
// Estimated once over a whole rollout, on the host in double, so that neither micro-batches nor the
// order of prompts change them. With r a sample's reward, over the G scored samples of its prompt:
//
//   baseline          what is subtracted from r                          source
//   none              nothing                                           REINFORCE, REINFORCE++
//   mean              the group's mean                                  2402.03300 (GRPO)
//   leave_one_out     the mean of the others                            2402.14740 (RLOO)
//   length_weighted   Σ T r / Σ T over T trained tokens                 2505.23585 (OPO)
//   optimal_token     Σ G_t W_t / Σ W_t over samples that reach t       2602.07078 (OTB)
//   greedy            the reward of an answer without chance            2310.10505 (ReMax)
//   second_best       the best sample gets r − second best, others 0    2503.19595 (pass@k)
//
// Equal rewards are those whose least is their greatest. They give exactly 0, where a small
// deviation would divide rounding errors; so does a group with one scored sample, which verl gives
// its raw reward. A sample without a reward is not compared and gets 0. Whitening shifts none of
// these away from 0.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollout.hpp"

namespace posttrain {

struct Kl;

enum class Baseline {
  none,
  mean,
  leave_one_out,
  length_weighted,
  optimal_token,
  greedy,
  second_best
};

/// By what the difference is divided.
enum class AdvantageScale {
  none,
  group,        // the standard deviation of the group's rewards (N − 1), + ε
  batch,        // that of all rewards of the rollout, + ε
  mean_reward,  // the group's mean reward; a mean that is not positive gives 0 (MaxRL, 2602.02710)
  tokens        // whitened over all trained tokens of the rollout (REINFORCE++, 2501.03262)
};

/// Rewards of several verifiers.
enum class RewardMix {
  summed,  // their weighted sum is compared
  each     // each is compared by itself; the weighted sum is whitened over the rollout
           // (GDPO, 2601.05242)
};

/// Groups whose rewards are equal, and samples without a reward: nothing is to be learned of them.
enum class EqualRewards {
  keep,  // their tokens count in the divisor, with an advantage of 0
  drop   // they are left out of the divisor, too
};

/// Samples that were cut off before their end.
enum class Truncated { train, mask };

struct AdvantageEstimator {
  Baseline baseline = Baseline::mean;
  AdvantageScale scale = AdvantageScale::group;
  RewardMix rewards = RewardMix::summed;
  double epsilon = 1e-4;  // ε, added to a standard deviation

  constexpr void validate() const {
    if (!(epsilon >= 0.0)) fail("posttrain: AdvantageEstimator.epsilon must not be negative");
    if (rewards == RewardMix::each &&
        !(baseline == Baseline::mean && scale == AdvantageScale::group)) {
      fail(
          "posttrain: expected baseline mean and scale group where rewards are compared each by "
          "itself; hint: GDPO whitens their sum over the rollout by itself");
    }
    if (!compares_samples() && scale != AdvantageScale::none && scale != AdvantageScale::tokens) {
      fail(
          "posttrain: expected scale none or tokens for a baseline that compares no samples, got a "
          "deviation or mean of compared rewards");
    }
  }

  /// Whether samples of one prompt are compared with each other.
  constexpr bool compares_samples() const {
    return baseline != Baseline::none && baseline != Baseline::greedy;
  }
  /// Whether the tokens of a sample differ in their advantage.
  constexpr bool of_tokens() const {
    return baseline == Baseline::none || baseline == Baseline::optimal_token;
  }
};

/// One entry for each sample, each with an advantage of 0 for each id.
Advantages blank_advantages(const Rollout& rollout);

/// Fills in the advantages. `penalty`, where it is not null, is subtracted from the rewards of
/// trained tokens; baselines of whole samples see its sum. Weights by importance that are there
/// already weigh in the optimal token baseline.
void estimate_advantages(const Rollout& rollout, const AdvantageEstimator& estimator,
                         const Kl* penalty, EqualRewards equal_rewards, Advantages& advantages);

/// Leaves out samples that were cut off. They have been compared with the others.
void leave_out_truncated(const Rollout& rollout, Advantages& advantages);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/advantage.ipp"
#endif
