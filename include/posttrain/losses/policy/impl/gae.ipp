// SPDX-License-Identifier: Apache-2.0
// Definitions of gae.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstddef>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/gae.hpp"
#include "posttrain/losses/policy/impl/estimate.hpp"

namespace posttrain {

namespace detail {

/// Advantages of a sample's tokens, and its returns.
inline std::vector<double> add_gae(const Gae& gae, const std::vector<double>& values,
                                   Estimate& estimate) {
  std::vector<double> returns = values;
  double next_value = 0.0, next_advantage = 0.0;
  for (std::size_t t = values.size(); t-- > 0;) {
    double reward = t + 1 == values.size() ? *estimate.sample->reward : 0.0;
    if (!estimate.penalties.empty()) reward -= estimate.penalties[t];
    next_advantage =
        reward + gae.gamma * next_value - values[t] + gae.gamma * gae.lambda * next_advantage;
    next_value = values[t];
    estimate.of_tokens[t] = next_advantage;
    returns[t] += next_advantage;
  }
  return returns;
}

}  // namespace detail

POSTTRAIN_INLINE void estimate_gae(const Rollout& rollout, const Gae& gae, const Kl* penalty,
                                   Advantages& advantages) {
  using namespace detail;
  std::vector<Estimate> estimates;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    const RolloutGroup& group = rollout.groups[g];
    for (std::size_t s = 0; s < group.samples.size(); ++s) {
      const RolloutSample& sample = group.samples[s];
      SampleAdvantage& out = advantages.at(g).at(s);
      Estimate estimate = estimate_of(group, sample, out, penalty);
      std::vector<double> returns = estimate.trained(sample.values, "a critic's value");
      if (sample.reward) {
        returns = add_gae(gae, returns, estimate);
        estimates.push_back(estimate);
      }
      out.returns.assign(sample.ids.size(), 0.0F);
      estimate.put(returns, out.returns);
    }
  }
  Compared all;
  for (Estimate& estimate : estimates) all.push_back(&estimate);
  if (gae.whiten) whiten_tokens(all);
  for (const Estimate* estimate : all) {
    estimate->put(estimate->of_tokens, estimate->out->advantage);
  }
}

}  // namespace posttrain
