// SPDX-License-Identifier: Apache-2.0
// Definitions of best_and_worst.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/best_and_worst.hpp"
#include "posttrain/data/rollouts/ranked_samples.hpp"

namespace posttrain::data {

namespace detail {

struct Extremes {
  const RolloutSample* best = nullptr;
  const RolloutSample* worst = nullptr;
};

/// The first of the best samples and the first of the worst; none where all rewards are equal.
inline std::optional<Extremes> extremes(const RolloutGroup& group) {
  const std::vector<const RolloutSample*> ranked = ranked_samples(group);
  if (ranked.empty() || *ranked.front()->reward == *ranked.back()->reward) return std::nullopt;
  const auto worst = std::find_if(ranked.begin(), ranked.end(), [&](const RolloutSample* sample) {
    return *sample->reward == *ranked.back()->reward;
  });
  return Extremes{ranked.front(), *worst};
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<AnswerPair> BestAndWorst::items(const RolloutGroup& group) {
  const auto found = detail::extremes(group);
  if (!found) return {};
  AnswerPair pair;
  pair.prompt = group.prompt;
  pair.chosen = completion_of(group, *found->best);
  pair.rejected = completion_of(group, *found->worst);
  pair.sample = group.sample;
  return {std::move(pair)};
}

POSTTRAIN_INLINE Metrics BestAndWorst::measure(const Rollout& rollout) {
  double margins = 0.0;
  std::int64_t pairs = 0;
  for (const RolloutGroup& group : rollout.groups) {
    if (const auto found = detail::extremes(group)) {
      margins += *found->best->reward - *found->worst->reward;
      ++pairs;
    }
  }
  Metrics metrics{{"pairs/ties", static_cast<double>(std::ssize(rollout.groups) - pairs)}};
  if (pairs > 0) metrics.emplace_back("pairs/reward_margin", margins / static_cast<double>(pairs));
  return metrics;
}

}  // namespace posttrain::data
