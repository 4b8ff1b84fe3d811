// SPDX-License-Identifier: Apache-2.0
// Of each group its best samples as sequences: a choice for data/rollouts/chosen_stream.hpp.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"

namespace posttrain::data {

struct BestSamples {
  using Kind = SequenceKind;

  std::int64_t keep = 1;  // of each group at the most
  double least_reward = -std::numeric_limits<double>::infinity();

  /// Prompt and completion of each, the best first, of equal rewards the first sample. A sample
  /// without a reward or without a sampled id is none.
  std::vector<Sequence> items(const RolloutGroup& group) const;

  /// best/sequences: how many the rollout gives; best/groups_without: groups that give none;
  /// best/reward: the mean reward of the sequences, left out where there is none.
  Metrics measure(const Rollout& rollout) const;

  static std::string_view without_items() {
    return "no sample had a reward of at least least_reward";
  }
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/best_samples.ipp"
#endif
