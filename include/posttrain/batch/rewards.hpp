// SPDX-License-Identifier: Apache-2.0
// Pairs of answers with one reward each, at its last token: the batches of reward models.
//
// The place of a reward follows from lengths alone, never from ids of padding or ends (C21).
// Predictions have no target; weights are 1. Solutions in steps: batch/steps.hpp.
#pragma once

#include <cstdint>
#include <span>

#include "posttrain/batch/pair_kind.hpp"
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

inline RewardBatch RewardKind::pack(std::span<const AnswerPair* const> pairs) const {
  return pack_reward_pairs(pairs, share_prompts);
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/rewards.ipp"
#endif
