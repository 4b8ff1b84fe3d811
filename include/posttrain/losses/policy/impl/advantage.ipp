// SPDX-License-Identifier: Apache-2.0
// Definitions of advantage.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/statistics.hpp"
#include "posttrain/losses/policy/advantage.hpp"
#include "posttrain/losses/policy/impl/estimate.hpp"
#include "posttrain/losses/policy/kl.hpp"

namespace posttrain {

namespace detail {

inline std::vector<double> rewards_of(const Compared& samples) {
  std::vector<double> rewards;
  for (const Estimate* sample : samples) rewards.push_back(*sample->reward);
  return rewards;
}

/// What a verifier says of the samples that it applies to.
inline std::vector<double> scores_of(const Rollout& rollout, const Compared& samples,
                                     std::size_t verifier) {
  std::vector<double> scores;
  for (const Estimate* sample : samples) {
    if (sample->sample->scores.size() != rollout.verifier_weights.size()) {
      raise("prompt {}: expected {} scores of a sample, one for each verifier, got {}",
            sample->group->sample, rollout.verifier_weights.size(), sample->sample->scores.size());
    }
    if (const auto& score = sample->sample->scores[verifier]) scores.push_back(*score);
  }
  return scores;
}

/// The greatest of at least two numbers and the one behind it, which may be the same.
inline std::pair<double, double> best_two(std::vector<double> numbers) {
  std::partial_sort(numbers.begin(), numbers.begin() + 2, numbers.end(), std::greater<>());
  return {numbers[0], numbers[1]};
}

inline double length_weighted_mean(const Compared& samples) {
  double sum = 0.0, tokens = 0.0;
  for (const Estimate* sample : samples) {
    const auto length = static_cast<double>(sample->of_tokens.size());
    sum += length * *sample->reward;
    tokens += length;
  }
  return tokens > 0.0 ? sum / tokens : 0.0;
}

/// W_t = Σ_{j ≤ t} (1 − 2 π_j + Σ π²) ρ_j²: the expected squared norm of the score up to a token.
inline std::vector<double> score_norms(const Estimate& estimate) {
  const std::vector<double> logps = estimate.trained(estimate.sample->old_logps, "log p");
  const std::vector<double> squares = estimate.trained(estimate.sample->log_sum_sq, "log Σ p²");
  std::vector<double> weights;
  if (!estimate.out->importance.empty()) {
    weights = estimate.trained(estimate.out->importance, "importance");
  }
  std::vector<double> norms;
  double sum = 0.0;
  for (std::size_t t = 0; t < logps.size(); ++t) {
    const double norm = 1.0 - 2.0 * std::exp(logps[t]) + std::exp(squares[t]);
    sum += weights.empty() ? norm : norm * weights[t] * weights[t];
    norms.push_back(sum);
  }
  return norms;
}

/// A baseline for each trained token. Beyond the second-longest sample there is nobody to compare
/// with, and it is 0 (verl: handle_zero_tail): the sample's own return would leave its last tokens
/// untrained.
inline void subtract_token_baseline(const Compared& samples) {
  std::vector<std::vector<double>> returns, norms;
  std::size_t longest = 0;
  for (const Estimate* sample : samples) {
    returns.push_back(sample->returns());
    norms.push_back(score_norms(*sample));
    longest = std::max(longest, returns.back().size());
  }
  for (std::size_t t = 0; t < longest; ++t) {
    double weighted = 0.0, weight = 0.0;
    std::size_t alive = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (t >= returns[i].size()) continue;
      weighted += returns[i][t] * norms[i][t];
      weight += norms[i][t];
      ++alive;
    }
    const double baseline = alive > 1 && weight > 0.0 ? weighted / weight : 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (t < returns[i].size()) samples[i]->of_tokens[t] = returns[i][t] - baseline;
    }
  }
}

/// Differences to a baseline that compares the samples of a prompt, of which at least two differ.
inline void subtract_baseline(const Compared& samples, const std::vector<double>& rewards,
                              Baseline baseline) {
  const double mean = mean_of(rewards);
  const auto count = static_cast<double>(samples.size());
  switch (baseline) {
    case Baseline::optimal_token:
      subtract_token_baseline(samples);
      return;
    case Baseline::second_best: {
      const auto [best, second] = best_two(rewards);
      for (Estimate* sample : samples) sample->set(*sample->reward == best ? best - second : 0.0);
      return;
    }
    case Baseline::leave_one_out:
      for (Estimate* sample : samples) {
        sample->set((*sample->reward - mean) * count / (count - 1.0));
      }
      return;
    case Baseline::length_weighted: {
      const double weighted = length_weighted_mean(samples);
      for (Estimate* sample : samples) sample->set(*sample->reward - weighted);
      return;
    }
    default:
      for (Estimate* sample : samples) sample->set(*sample->reward - mean);
      return;
  }
}

/// GDPO: the weighted sum of rewards that were compared one by one, whitened over the rollout. A
/// sample all of whose rewards are those of its group has nothing to learn.
inline void compare_each(const Rollout& rollout, const std::vector<Compared>& groups,
                         double epsilon) {
  if (rollout.verifier_weights.empty()) {
    fail(
        "expected a rollout with the weights of its verifiers where rewards are compared each by "
        "itself, got none; hint: RewardMix::summed for samples of a RolloutFile, which has none");
  }
  std::vector<double> sums;
  std::vector<std::pair<Estimate*, double>> of_samples;
  for (const Compared& samples : groups) {
    std::vector<double> sum(samples.size(), 0.0);
    bool differs = false;
    for (std::size_t k = 0; k < rollout.verifier_weights.size(); ++k) {
      const std::vector<double> scores = scores_of(rollout, samples, k);
      if (all_equal(scores)) continue;
      differs = true;
      const double mean = mean_of(scores), deviation = deviation_of(scores) + epsilon;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        if (const auto& score = samples[i]->sample->scores[k]) {
          sum[i] += rollout.verifier_weights[k] * (*score - mean) / deviation;
        }
      }
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
      sums.push_back(sum[i]);
      if (differs) of_samples.emplace_back(samples[i], sum[i]);
    }
  }
  if (all_equal(sums)) return;
  const double mean = mean_of(sums), deviation = deviation_of(sums) + epsilon;
  for (const auto& entry : of_samples) entry.first->set((entry.second - mean) / deviation);
}

/// Whether the rewards of a prompt's samples say nothing: there are no two different ones.
inline bool nothing_to_compare(const Rollout& rollout, const Compared& samples, RewardMix mix) {
  if (samples.size() < 2) return true;
  if (mix == RewardMix::summed) return all_equal(rewards_of(samples));
  for (std::size_t k = 0; k < rollout.verifier_weights.size(); ++k) {
    if (!all_equal(scores_of(rollout, samples, k))) return false;
  }
  return true;
}

/// Advantages of a prompt whose samples are not compared with each other.
inline void without_comparison(const Compared& samples, Baseline baseline) {
  for (Estimate* sample : samples) {
    if (baseline == Baseline::none) {
      sample->of_tokens = sample->returns();
      continue;
    }
    const std::optional<double> greedy = sample->group->greedy_reward;
    if (!greedy) {
      raise(
          "prompt {}: expected the reward of a greedy answer, got none; hint: Baseline::greedy "
          "needs one more answer of each prompt, at temperature 0",
          sample->group->sample);
    }
    sample->set(*sample->reward - *greedy);
  }
}

inline void scale_group(const Compared& samples, const std::vector<double>& rewards,
                        const AdvantageEstimator& estimator, double batch_deviation) {
  switch (estimator.scale) {
    case AdvantageScale::group:
      scale_advantages(samples, 1.0 / (deviation_of(rewards) + estimator.epsilon));
      return;
    case AdvantageScale::batch:
      scale_advantages(samples, 1.0 / (batch_deviation + estimator.epsilon));
      return;
    case AdvantageScale::mean_reward: {
      const double mean = mean_of(rewards);
      scale_advantages(samples, mean > 0.0 ? 1.0 / mean : 0.0);
      return;
    }
    case AdvantageScale::none:
    case AdvantageScale::tokens:
      return;
  }
}

}  // namespace detail

POSTTRAIN_INLINE Advantages blank_advantages(const Rollout& rollout) {
  Advantages all;
  for (const RolloutGroup& group : rollout.groups) {
    auto& of_group = all.emplace_back();
    for (const RolloutSample& sample : group.samples) {
      of_group.emplace_back().advantage.assign(sample.ids.size(), 0.0F);
    }
  }
  return all;
}

POSTTRAIN_INLINE void estimate_advantages(const Rollout& rollout,
                                          const AdvantageEstimator& estimator, const Kl* penalty,
                                          EqualRewards equal_rewards, Advantages& advantages) {
  using namespace detail;
  std::vector<std::vector<Estimate>> estimates;
  std::vector<Compared> groups;
  Compared all;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    const RolloutGroup& group = rollout.groups[g];
    auto& of_group = estimates.emplace_back();
    for (std::size_t s = 0; s < group.samples.size(); ++s) {
      of_group.push_back(estimate_of(group, group.samples[s], advantages.at(g).at(s), penalty));
    }
  }
  for (auto& of_group : estimates) {
    Compared& samples = groups.emplace_back();
    for (Estimate& estimate : of_group) {
      if (estimate.reward) samples.push_back(&estimate);
    }
    all.insert(all.end(), samples.begin(), samples.end());
  }
  const double batch_deviation = deviation_of(rewards_of(all));

  if (estimator.rewards == RewardMix::each) compare_each(rollout, groups, estimator.epsilon);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Compared& samples = groups[g];
    const bool nothing =
        estimator.compares_samples() && nothing_to_compare(rollout, samples, estimator.rewards);
    if (equal_rewards == EqualRewards::drop) {
      for (Estimate& estimate : estimates[g]) {
        if (nothing || !estimate.reward) estimate.out->trained = false;
      }
    }
    for (Estimate* sample : samples) sample->compared = !nothing;
    if (nothing || samples.empty() || estimator.rewards == RewardMix::each) continue;
    const std::vector<double> rewards = rewards_of(samples);
    if (estimator.compares_samples()) {
      subtract_baseline(samples, rewards, estimator.baseline);
    } else {
      without_comparison(samples, estimator.baseline);
    }
    scale_group(samples, rewards, estimator, batch_deviation);
  }
  if (estimator.scale == AdvantageScale::tokens) whiten_tokens(all);

  for (const Estimate* estimate : all) {
    estimate->put(estimate->of_tokens, estimate->out->advantage);
  }
}

POSTTRAIN_INLINE void leave_out_truncated(const Rollout& rollout, Advantages& advantages) {
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    const auto& samples = rollout.groups[g].samples;
    for (std::size_t s = 0; s < samples.size(); ++s) {
      if (samples[s].truncated()) advantages.at(g).at(s).trained = false;
    }
  }
}

}  // namespace posttrain
