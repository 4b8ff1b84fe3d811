// SPDX-License-Identifier: Apache-2.0
// Definitions of ranked_samples.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/ranked_samples.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE std::vector<const RolloutSample*> ranked_samples(const RolloutGroup& group) {
  std::vector<const RolloutSample*> ranked;
  for (const RolloutSample& sample : group.samples) {
    if (sample.reward && sample.trained_tokens() > 0) ranked.push_back(&sample);
  }
  std::stable_sort(
      ranked.begin(), ranked.end(),
      [](const RolloutSample* a, const RolloutSample* b) { return *a->reward > *b->reward; });
  return ranked;
}

POSTTRAIN_INLINE Sequence completion_of(const RolloutGroup& group, const RolloutSample& sample) {
  return {sample.ids, {sample.sampled.begin(), sample.sampled.end()}, group.sample};
}

}  // namespace posttrain::data
