// SPDX-License-Identifier: Apache-2.0
// Definitions of importance.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/importance.hpp"
#include "posttrain/losses/policy/kl.hpp"

namespace posttrain {

namespace detail {

inline float bounded_importance(double log_weight, const ImportanceCorrection& correction) {
  const double weight = std::exp(std::clamp(log_weight, -kMaxLogRatio, kMaxLogRatio));
  const double cut = std::clamp(weight, correction.low, correction.high);
  if (correction.beyond == BeyondBounds::mask) {
    return cut == weight ? static_cast<float>(weight) : 0.0F;
  }
  return static_cast<float>(cut);
}

inline void check_importance_numbers(const RolloutGroup& group, const RolloutSample& sample) {
  for (const std::vector<float>* logps : {&sample.old_logps, &sample.sampled_logps}) {
    if (logps->size() == sample.ids.size()) continue;
    raise(
        "prompt {}: weights by importance need log p of each id under {}, expected {} numbers, "
        "got {}; hint: ImportanceLevel::none for samples of one's own",
        group.sample,
        logps == &sample.old_logps ? "the old policy" : "the distribution that it was drawn from",
        sample.ids.size(), logps->size());
  }
}

}  // namespace detail

POSTTRAIN_INLINE void weigh_importance(const Rollout& rollout,
                                       const ImportanceCorrection& correction,
                                       Advantages& advantages) {
  if (correction.level == ImportanceLevel::none) return;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    const RolloutGroup& group = rollout.groups[g];
    for (std::size_t s = 0; s < group.samples.size(); ++s) {
      const RolloutSample& sample = group.samples[s];
      detail::check_importance_numbers(group, sample);
      std::vector<float>& weights = advantages.at(g).at(s).importance;
      weights.assign(sample.ids.size(), 1.0F);
      double sum = 0.0;
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        if (sample.sampled[i] == 0) continue;
        const double log_weight =
            static_cast<double>(sample.old_logps[i]) - static_cast<double>(sample.sampled_logps[i]);
        weights[i] = detail::bounded_importance(log_weight, correction);
        sum += log_weight;
      }
      const auto tokens = static_cast<double>(sample.trained_tokens());
      if (correction.level == ImportanceLevel::sequence && tokens > 0.0) {
        std::fill(weights.begin(), weights.end(),
                  detail::bounded_importance(sum / tokens, correction));
      }
    }
  }
}

POSTTRAIN_INLINE double effective_share(const Rollout& rollout, const Advantages& advantages) {
  double sum = 0.0, squares = 0.0, tokens = 0.0;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    for (std::size_t s = 0; s < rollout.groups[g].samples.size(); ++s) {
      const RolloutSample& sample = rollout.groups[g].samples[s];
      const std::vector<float>& weights = advantages.at(g).at(s).importance;
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        if (sample.sampled[i] == 0) continue;
        const double weight = weights.empty() ? 1.0 : weights[i];
        sum += weight;
        squares += weight * weight;
        tokens += 1.0;
      }
    }
  }
  return squares > 0.0 ? sum * sum / (tokens * squares) : 0.0;
}

}  // namespace posttrain
