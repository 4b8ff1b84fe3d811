// SPDX-License-Identifier: Apache-2.0
// Completions with advantages: the batches of losses on policies. Sequences are samples; samples of
// one prompt are children of one prompt segment, so that it is read once for them.
//
// Only sampled ids are predictions; what a tool said is read. `weight` and `counted` carry the
// normaliser: a loss is Σ_i weight_i · term_i / Σ counted over the optimizer step, so that it does
// not depend on the split into micro-batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/batch/kept_columns.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

struct RolloutBatch : TokenBatch {
  Tensor advantage;        // [P] float32
  Tensor old_logps{};      // [P]; undefined: the current ones, without a gradient
  Tensor sampled_logps{};  // [P] of the distribution drawn from; undefined: not known
  Tensor importance{};     // [P] weight of samples by another engine; undefined: 1
  Tensor returns{};        // [P] targets of a critic; undefined: none
  Tensor old_values{};     // [P] a critic's values before the first update; undefined: none
  KeptColumns support{};   // the ids that each could be drawn from; undefined: all
  Tensor reward;           // [S] float32; NaN: not scored
  Tensor length;           // [P] float32: trained tokens of the prediction's sample
  Tensor draw;             // [P] float32 uniform in [0, 1), keyed by prompt, sample and position
  Tensor step_sample;      // [P] int64: the prediction's sample among those of the step
  std::int64_t step_samples = 0;    // how many those are
  std::vector<std::int64_t> group;  // [S] which samples are of one prompt
  double counted = 0.0;             // the share of this batch in the divisor of the step

  /// The number of samples.
  std::int64_t items() const { return static_cast<std::int64_t>(offsets.size()) - 1; }

  /// The predictions [begin, end); as in TokenBatch, sequences are not meaningful in a slice.
  RolloutBatch slice(std::int64_t begin, std::int64_t end) const;
  RolloutBatch to(at::Device device) const;
};

/// One sample of an optimizer step, with its part in the normaliser.
struct RolloutItem {
  const RolloutGroup* group = nullptr;
  const RolloutSample* sample = nullptr;
  const SampleAdvantage* advantage = nullptr;  // null: to be scored only
  float weight = 1.0F;                         // of each of its predictions
  double counted = 0.0;                        // its share in the step's divisor
  std::int64_t index = 0;                      // among the samples of the step,
  std::int64_t samples = 1;                    // of which there are so many
};

/// The trained samples of one optimizer step, each with its part in the normaliser. Samples without
/// a sampled id, and those that the loss leaves out, are not among them. `groups[i]` and
/// `advantages[i]` belong together.
std::vector<RolloutItem> rollout_items(
    std::span<const RolloutGroup* const> groups,
    std::span<const std::vector<SampleAdvantage>* const> advantages, const RolloutNeeds& needs);

/// A micro-batch. Samples of one prompt that follow each other share it. A vector of numbers that
/// one of the samples lacks is undefined in the batch.
RolloutBatch pack_rollout(std::span<const RolloutItem> items, double temperature);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/rollouts.ipp"
#endif
