// SPDX-License-Identifier: Apache-2.0
// The optimizer steps of a rollout: which groups each has, and its micro-batches.
//
// A group stays in one micro-batch, where its prompt is read once, while it fits; a larger one is
// cut into runs of samples, each with the prompt. Neither changes a gradient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/batch/rollouts.hpp"

namespace posttrain::data {

/// The steps of one pass over a rollout of `groups` groups, `per_step` of them in each but the
/// last, in an order of (seed, rollout, iteration). At least one step, if an empty one.
std::vector<std::vector<std::size_t>> minibatches(std::size_t groups, std::int64_t per_step,
                                                  std::uint64_t seed, std::int64_t rollout,
                                                  std::int64_t iteration);

/// Micro-batches of at most `max_tokens` tokens of these groups, with how many of them were cut.
struct StepBatches {
  std::vector<RolloutBatch> batches;
  std::int64_t split_groups = 0;
};
StepBatches step_batches(const Rollout& rollout, const Advantages& advantages,
                         std::span<const std::size_t> groups, const RolloutNeeds& needs,
                         std::int64_t max_tokens, std::int64_t ranks = 1);

/// A micro-batch of samples that are only scored, with those samples in its order.
struct ScoringBatch {
  RolloutBatch batch;
  std::vector<RolloutSample*> samples;
};
std::vector<ScoringBatch> scoring_batches(Rollout& rollout, std::int64_t max_tokens,
                                          std::int64_t ranks = 1);

/// Puts numbers of predictions, [P] on whatever device, into the samples' vector `field`.
void keep_scores(const ScoringBatch& scored, std::vector<float> RolloutSample::*field,
                 const Tensor& numbers);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/minibatches.ipp"
#endif
