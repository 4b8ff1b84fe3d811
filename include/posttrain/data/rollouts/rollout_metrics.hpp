// SPDX-License-Identifier: Apache-2.0
// What a rollout was like, as numbers under TRL's names: reward, reward_std,
// rewards/<verifier>/mean and /std, frac_reward_zero_std, completions/…; ours beside them: pass@k,
// and what the rollout cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/batch/rollout.hpp"

namespace posttrain::data {

using Metrics = std::vector<std::pair<std::string, double>>;

/// Seconds and counts of making a rollout, and of training on it so far.
struct RolloutWork {
  double generate_seconds = 0.0, verify_seconds = 0.0, score_seconds = 0.0;
  double update_seconds = 0.0;  // of the optimizer steps on it
  std::int64_t sampled_tokens = 0;
  std::int64_t passes = 0, rows = 0;             // through the model; of samples, in all of them
  std::int64_t prompts = 0;                      // drawn, those that a filter dropped included
  std::int64_t rounds = 0;                       // of drawing
  std::int64_t verifier_failures = 0;            // timeouts included
  std::int64_t replies = 0, failed_replies = 0;  // of an environment
};

/// The mean of a group's rewards; none where no sample has one.
std::optional<double> mean_reward(const RolloutGroup& group);

/// Means and standard deviations are over the samples of the rollout, deviations unbiased;
/// frac_reward_zero_std is over groups. Lengths are counts of ids that the policy drew. A sample
/// without a reward does not count. What nothing counts for is left out.
///
/// rollout/…: prompts (drawn), rounds, verifier_failures, tokens_per_second (drawn while
/// generating), live_rows (samples read in a pass through the model), and of generate, verify,
/// score and update <part>_seconds and <part>_share, of the four together.
Metrics rollout_metrics(const Rollout& rollout, const RolloutWork& work);

/// Of samples that an environment replied to: turns/mean, the policy's in a sample;
/// tools/call_frequency, replies in a sample; tools/failure_frequency, the share of replies that
/// failed or were none by an error, those of samples that a filter dropped included.
Metrics turn_metrics(const Rollout& rollout, const RolloutWork& work);

/// The mean reward, and the share of prompts that at least one of k samples solves, for k = 1, 2, 4
/// … up to the group's size: pass@k, unbiased (arXiv 2107.03374). A sample with a reward of at
/// least `solved` solves its prompt.
Metrics pass_metrics(const Rollout& rollout, double solved);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/rollout_metrics.ipp"
#endif
