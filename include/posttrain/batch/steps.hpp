// SPDX-License-Identifier: Apache-2.0
// Solutions with one reward for each step, at its last token: the batches of process reward models.
// Predictions have no target; weights are 1.
#pragma once

#include <cstdint>
#include <span>

#include "posttrain/batch/step_kind.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

/// Sequences are solutions, predictions their steps.
struct StepRewardBatch : TokenBatch {
  static constexpr bool predicts_rewards = true;

  Tensor label;  // [P] float32, in [0, 1]

  StepRewardBatch slice(std::int64_t begin, std::int64_t end) const;
  StepRewardBatch to(at::Device device) const;
};

StepRewardBatch pack_steps(std::span<const SteppedSolution* const> solutions);

inline StepRewardBatch StepKind::pack(std::span<const SteppedSolution* const> solutions) {
  return pack_steps(solutions);
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/steps.ipp"
#endif
