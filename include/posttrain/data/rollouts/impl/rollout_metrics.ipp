// SPDX-License-Identifier: Apache-2.0
// Definitions of rollout_metrics.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/statistics.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"

namespace posttrain::data {

namespace detail {

/// How many ids a draw was among, where others were cut off.
inline void add_support(const Rollout& rollout, Metrics& metrics) {
  double sum = 0.0, count = 0.0, most = 0.0;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      for (const std::int32_t size : sample.support.sizes) {
        if (size == 0) continue;
        sum += size;
        count += 1.0;
        most = std::max(most, static_cast<double>(size));
      }
    }
  }
  if (count == 0.0) return;
  metrics.emplace_back("sampling/mean_support", sum / count);
  metrics.emplace_back("sampling/max_support", most);
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<double> mean_reward(const RolloutGroup& group) {
  const std::vector<double> rewards = group.rewards();
  if (rewards.empty()) return std::nullopt;
  return mean_of(rewards);
}

POSTTRAIN_INLINE Metrics rollout_metrics(const Rollout& rollout, const RolloutWork& work) {
  Metrics metrics;
  std::vector<double> rewards, lengths, ended;
  double groups = 0.0, equal = 0.0, cut = 0.0;
  for (const RolloutGroup& group : rollout.groups) {
    const std::vector<double> own = group.rewards();
    rewards.insert(rewards.end(), own.begin(), own.end());
    if (!own.empty()) {
      groups += 1.0;
      equal += all_equal(own) ? 1.0 : 0.0;
    }
    for (const RolloutSample& sample : group.samples) {
      lengths.push_back(static_cast<double>(sample.trained_tokens()));
      cut += sample.truncated() ? 1.0 : 0.0;
      if (!sample.truncated()) ended.push_back(lengths.back());
    }
  }
  if (!rewards.empty()) {
    metrics.emplace_back("reward", mean_of(rewards));
    metrics.emplace_back("reward_std", deviation_of(rewards));
    metrics.emplace_back("frac_reward_zero_std", equal / groups);
  }
  for (std::size_t v = 0; v < rollout.verifiers.size(); ++v) {
    std::vector<double> scores;
    for (const RolloutGroup& group : rollout.groups) {
      for (const RolloutSample& sample : group.samples) {
        if (v < sample.scores.size() && sample.scores[v]) scores.push_back(*sample.scores[v]);
      }
    }
    if (scores.empty()) continue;
    metrics.emplace_back(fmt::format("rewards/{}/mean", rollout.verifiers[v]), mean_of(scores));
    metrics.emplace_back(fmt::format("rewards/{}/std", rollout.verifiers[v]), deviation_of(scores));
  }
  const auto add_lengths = [&](std::string_view kind, const std::vector<double>& values) {
    if (values.empty()) return;
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    metrics.emplace_back(fmt::format("completions/mean_{}", kind), mean_of(values));
    metrics.emplace_back(fmt::format("completions/min_{}", kind), *least);
    metrics.emplace_back(fmt::format("completions/max_{}", kind), *most);
  };
  add_lengths("length", lengths);
  add_lengths("terminated_length", ended);
  if (!lengths.empty()) {
    metrics.emplace_back("completions/clipped_ratio", cut / static_cast<double>(lengths.size()));
  }
  detail::add_support(rollout, metrics);
  metrics.emplace_back("rollout/prompts", static_cast<double>(work.prompts));
  metrics.emplace_back("rollout/rounds", static_cast<double>(work.rounds));
  metrics.emplace_back("rollout/verifier_failures", static_cast<double>(work.verifier_failures));
  const std::pair<const char*, double> parts[] = {{"generate", work.generate_seconds},
                                                  {"verify", work.verify_seconds},
                                                  {"score", work.score_seconds},
                                                  {"update", work.update_seconds}};
  double all = 0.0;
  for (const auto& part : parts) all += part.second;
  for (const auto& part : parts) {
    metrics.emplace_back(fmt::format("rollout/{}_seconds", part.first), part.second);
    if (all > 0.0) {
      metrics.emplace_back(fmt::format("rollout/{}_share", part.first), part.second / all);
    }
  }
  if (work.generate_seconds > 0.0) {
    metrics.emplace_back("rollout/tokens_per_second",
                         static_cast<double>(work.sampled_tokens) / work.generate_seconds);
  }
  if (work.passes > 0) {
    metrics.emplace_back("rollout/live_rows",
                         static_cast<double>(work.rows) / static_cast<double>(work.passes));
  }
  return metrics;
}

POSTTRAIN_INLINE Metrics turn_metrics(const Rollout& rollout, const RolloutWork& work) {
  Metrics metrics;
  std::vector<double> turns, replies;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      double of[2] = {0.0, 0.0};  // runs of ids that were read, and of ids that were drawn
      for (std::size_t i = 0; i < sample.sampled.size(); ++i) {
        const bool begins = i == 0 || sample.sampled[i] != sample.sampled[i - 1];
        if (begins) of[sample.sampled[i] != 0] += 1.0;
      }
      replies.push_back(of[0]);
      turns.push_back(of[1]);
    }
  }
  if (!turns.empty()) {
    metrics.emplace_back("turns/mean", mean_of(turns));
    metrics.emplace_back("tools/call_frequency", mean_of(replies));
  }
  if (work.replies > 0) {
    metrics.emplace_back("tools/failure_frequency", static_cast<double>(work.failed_replies) /
                                                        static_cast<double>(work.replies));
  }
  return metrics;
}

POSTTRAIN_INLINE Metrics pass_metrics(const Rollout& rollout, double solved) {
  Metrics metrics;
  std::vector<double> rewards;
  std::size_t largest = 0;
  for (const RolloutGroup& group : rollout.groups) {
    const std::vector<double> own = group.rewards();
    rewards.insert(rewards.end(), own.begin(), own.end());
    largest = std::max(largest, own.size());
  }
  if (rewards.empty()) return metrics;
  metrics.emplace_back("reward", mean_of(rewards));
  for (std::size_t k = 1; k <= largest; k *= 2) {
    std::vector<double> passes;
    for (const RolloutGroup& group : rollout.groups) {
      const std::vector<double> own = group.rewards();
      if (own.size() < k) continue;
      const auto wrong = static_cast<double>(
          std::count_if(own.begin(), own.end(), [&](double reward) { return reward < solved; }));
      double none = 1.0;  // of k samples without replacement: C(wrong, k) / C(n, k)
      for (std::size_t i = 0; i < k; ++i) {
        const auto taken = static_cast<double>(i);
        none *= std::max(0.0, wrong - taken) / (static_cast<double>(own.size()) - taken);
      }
      passes.push_back(1.0 - none);
    }
    if (!passes.empty()) metrics.emplace_back(fmt::format("pass@{}", k), mean_of(passes));
  }
  return metrics;
}

}  // namespace posttrain::data
