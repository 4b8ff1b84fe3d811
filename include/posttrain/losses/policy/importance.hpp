// SPDX-License-Identifier: Apache-2.0
// Weights of samples that another engine drew, or an older policy: ρ = π_old / π_sampled.
//
//   token      ρ of each token
//   sequence   exp(mean_t log ρ_t) for all tokens of a sample
//
// cut to [low, high] (truncated importance sampling) or, beyond the bounds, 0 (IcePop; masked
// importance sampling). A sample's weight is of the mean, never of the sum: TRL's
// "sequence_mask" sums over tokens, so that a difference of 0.012 a token masks every sample of
// 100. Samples of the library's own generator need none: what is sampled is scored alike.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollout.hpp"

namespace posttrain {

enum class ImportanceLevel { none, token, sequence };
enum class BeyondBounds { truncate, mask };

struct ImportanceCorrection {
  ImportanceLevel level = ImportanceLevel::none;
  BeyondBounds beyond = BeyondBounds::truncate;
  double low = 0.0;
  double high = 2.0;

  constexpr void validate() const {
    if (!(low >= 0.0 && low <= 1.0 && high >= 1.0)) {
      fail("posttrain: expected ImportanceCorrection.low in [0, 1] and .high of at least 1");
    }
  }
};

/// Fills in the weights, from the log-probabilities of both policies.
void weigh_importance(const Rollout& rollout, const ImportanceCorrection& correction,
                      Advantages& advantages);

/// The share of effective samples among trained tokens, (Σ ρ)² / (N Σ ρ²): 1 of equal weights.
double effective_share(const Rollout& rollout, const Advantages& advantages);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/importance.ipp"
#endif
