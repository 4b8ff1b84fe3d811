// SPDX-License-Identifier: Apache-2.0
// Definitions of best_samples.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/best_samples.hpp"
#include "posttrain/data/rollouts/ranked_samples.hpp"

namespace posttrain::data {

namespace detail {

inline std::vector<const RolloutSample*> best_of(const RolloutGroup& group,
                                                 const BestSamples& choice) {
  std::vector<const RolloutSample*> best = ranked_samples(group);
  if (std::ssize(best) > choice.keep) best.resize(static_cast<std::size_t>(choice.keep));
  while (!best.empty() && *best.back()->reward < choice.least_reward) best.pop_back();
  return best;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<Sequence> BestSamples::items(const RolloutGroup& group) const {
  std::vector<Sequence> sequences;
  for (const RolloutSample* sample : detail::best_of(group, *this)) {
    Sequence sequence{group.prompt, std::vector<float>(group.prompt.size()), group.sample};
    const Sequence completion = completion_of(group, *sample);
    sequence.ids.insert(sequence.ids.end(), completion.ids.begin(), completion.ids.end());
    sequence.weights.insert(sequence.weights.end(), completion.weights.begin(),
                            completion.weights.end());
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

POSTTRAIN_INLINE Metrics BestSamples::measure(const Rollout& rollout) const {
  double rewards = 0.0, sequences = 0.0, without = 0.0;
  for (const RolloutGroup& group : rollout.groups) {
    const auto best = detail::best_of(group, *this);
    for (const RolloutSample* sample : best) rewards += *sample->reward;
    sequences += static_cast<double>(best.size());
    without += best.empty() ? 1.0 : 0.0;
  }
  Metrics metrics{{"best/sequences", sequences}, {"best/groups_without", without}};
  if (sequences > 0.0) metrics.emplace_back("best/reward", rewards / sequences);
  return metrics;
}

}  // namespace posttrain::data
