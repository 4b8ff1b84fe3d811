// SPDX-License-Identifier: Apache-2.0
// Rollouts whose numbers tell where they belong.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "posttrain/batch/rollout.hpp"

namespace posttrain::test {

/// A sample of `length` ids from `first` on, all of them sampled, whose log-probabilities follow
/// from its ids.
inline RolloutSample some_sample(std::int64_t length, TokenId first, std::optional<double> reward) {
  RolloutSample sample;
  for (std::int64_t i = 0; i < length; ++i) {
    const auto id = static_cast<TokenId>(first + i);
    sample.ids.push_back(id);
    sample.sampled.push_back(1);
    sample.sampled_logps.push_back(-0.01F * static_cast<float>(id));
  }
  sample.scores = {reward};
  sample.reward = reward;
  return sample;
}

/// `groups` groups of `size` samples with lengths 1, 2, … and rewards 0, 1, 0, …
inline Rollout some_rollout(int groups, int size, std::int64_t number = 0) {
  Rollout rollout;
  rollout.number = number;
  rollout.verifiers = {"Even"};
  rollout.verifier_weights = {1.0};
  for (int g = 0; g < groups; ++g) {
    RolloutGroup& group = rollout.groups.emplace_back();
    group.prompt = {static_cast<TokenId>(g), 7, 8};
    group.sample = 10 + g;
    for (int s = 0; s < size; ++s) {
      group.samples.push_back(some_sample(s + 1, static_cast<TokenId>(g + s), s % 2));
    }
  }
  return rollout;
}

/// Advantage 100 · group + sample of every id.
inline Advantages some_advantages(const Rollout& rollout) {
  Advantages all;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    auto& of_group = all.emplace_back();
    for (std::size_t s = 0; s < rollout.groups[g].samples.size(); ++s) {
      SampleAdvantage advantage;
      advantage.advantage.assign(rollout.groups[g].samples[s].ids.size(),
                                 static_cast<float>(100 * g + s));
      of_group.push_back(advantage);
    }
  }
  return all;
}

}  // namespace posttrain::test
