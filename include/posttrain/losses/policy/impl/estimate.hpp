// SPDX-License-Identifier: Apache-2.0
// Numbers of the trained tokens of samples on their way from rewards to advantages: in double, over
// a whole rollout.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/statistics.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/losses/policy/kl.hpp"

namespace posttrain::detail {

/// A sample on its way from rewards to advantages. `of_tokens` has an entry for each trained token.
struct Estimate {
  const RolloutGroup* group = nullptr;
  const RolloutSample* sample = nullptr;
  SampleAdvantage* out = nullptr;
  std::optional<double> reward{};  // the penalty's sum subtracted
  std::vector<double> penalties{};
  std::vector<double> of_tokens{};
  bool compared = true;  // false: there is nothing to compare it with

  /// The numbers of trained tokens out of those of all ids.
  std::vector<double> trained(const std::vector<float>& of_ids, const char* what) const {
    if (of_ids.size() != sample->ids.size()) {
      raise("prompt {}: advantages need {} of each id of a sample, expected {} numbers, got {}",
            group->sample, what, sample->ids.size(), of_ids.size());
    }
    std::vector<double> numbers;
    for (std::size_t i = 0; i < of_ids.size(); ++i) {
      if (sample->sampled[i] != 0) numbers.push_back(of_ids[i]);
    }
    return numbers;
  }

  void set(double value) { of_tokens.assign(of_tokens.size(), value); }

  /// Puts numbers of trained tokens where their ids stand in `of_ids`.
  void put(const std::vector<double>& numbers, std::vector<float>& of_ids) const {
    std::size_t t = 0;
    for (std::size_t i = 0; i < sample->ids.size(); ++i) {
      if (sample->sampled[i] != 0) of_ids[i] = static_cast<float>(numbers[t++]);
    }
  }

  /// The reward from each token on: what is subtracted before it is none of its doing.
  std::vector<double> returns() const {
    std::vector<double> all(of_tokens.size());
    double behind = sample->reward.value_or(0.0);
    for (std::size_t t = all.size(); t-- > 0;) {
      if (!penalties.empty()) behind -= penalties[t];
      all[t] = behind;
    }
    return all;
  }
};

/// The samples of one prompt that have a reward.
using Compared = std::vector<Estimate*>;

inline void scale_advantages(const Compared& samples, double factor) {
  for (Estimate* sample : samples) {
    for (double& advantage : sample->of_tokens) advantage *= factor;
  }
}

/// Over all trained tokens of the rollout, each counted once. What was not compared stays 0.
inline void whiten_tokens(const Compared& samples) {
  std::vector<double> tokens;
  for (const Estimate* sample : samples) {
    tokens.insert(tokens.end(), sample->of_tokens.begin(), sample->of_tokens.end());
  }
  if (all_equal(tokens)) {
    scale_advantages(samples, 0.0);
    return;
  }
  const double mean = mean_of(tokens), factor = 1.0 / std::sqrt(variance_of(tokens) + 1e-8);
  for (Estimate* sample : samples) {
    if (!sample->compared) continue;
    for (double& advantage : sample->of_tokens) advantage = (advantage - mean) * factor;
  }
}

inline Estimate estimate_of(const RolloutGroup& group, const RolloutSample& sample,
                            SampleAdvantage& out, const Kl* penalty) {
  Estimate estimate{&group, &sample, &out};
  if (sample.sampled.size() != sample.ids.size()) {
    raise("prompt {}: expected {} marks of sampled ids, one for each id, got {}", group.sample,
          sample.ids.size(), sample.sampled.size());
  }
  estimate.of_tokens.assign(static_cast<std::size_t>(sample.trained_tokens()), 0.0);
  estimate.reward = sample.reward;
  if (penalty != nullptr) {
    const std::vector<double> logps = estimate.trained(sample.old_logps, "log p");
    const std::vector<double> refs = estimate.trained(sample.ref_logps, "log p of the reference");
    for (std::size_t t = 0; t < logps.size(); ++t) {
      estimate.penalties.push_back(penalty->penalty(logps[t], refs[t]));
      if (estimate.reward) *estimate.reward -= estimate.penalties.back();
    }
  }
  return estimate;
}

}  // namespace posttrain::detail
