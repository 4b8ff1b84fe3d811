// SPDX-License-Identifier: Apache-2.0
// What reward models are trained on: pairs of answers with one reward each, at its last token, and
// solutions with one reward for each step, at its last token.
//
// The place of a reward follows from lengths alone, never from ids of padding or ends (C21).
// Predictions have no target; weights are 1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/preference.hpp"
#include "posttrain/batch/stepped_solution.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

/// Sequences 2i and 2i + 1 are the chosen and the rejected answer of pair i, as in PairBatch,
/// with one prediction each.
struct RewardBatch : TokenBatch {
  static constexpr bool predicts_rewards = true;

  Tensor margin;  // [pairs] float32

  /// The number of pairs.
  std::int64_t items() const { return static_cast<std::int64_t>(offsets.size()) / 2; }

  /// The predictions [begin, end); pairs are not meaningful in a slice.
  RewardBatch slice(std::int64_t begin, std::int64_t end) const {
    RewardBatch part = *this;
    static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
    return part;
  }

  RewardBatch to(at::Device device) const;
};

/// The answers' weights have no meaning here; an empty answer is an error.
RewardBatch pack_reward_pairs(std::span<const AnswerPair* const> pairs, bool share_prompts = true);

/// Sequences are solutions, predictions their steps.
struct StepRewardBatch : TokenBatch {
  static constexpr bool predicts_rewards = true;

  Tensor label;  // [P] float32, in [0, 1]

  StepRewardBatch slice(std::int64_t begin, std::int64_t end) const;
  StepRewardBatch to(at::Device device) const;
};

StepRewardBatch pack_steps(std::span<const SteppedSolution* const> solutions);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/rewards.ipp"
#endif
