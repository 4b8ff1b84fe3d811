// SPDX-License-Identifier: Apache-2.0
// Of each group its best and its worst sample as a pair: a choice for
// data/rollouts/chosen_stream.hpp.
#pragma once

#include <string_view>
#include <vector>

#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"

namespace posttrain::data {

struct BestAndWorst {
  using Kind = PairKind;

  /// One pair, or none where no two rewards differ. A sample without a reward or without a sampled
  /// id is not looked at; of equal rewards the first sample is taken.
  static std::vector<AnswerPair> items(const RolloutGroup& group);

  /// pairs/ties: groups of the rollout without a pair; pairs/reward_margin: the mean difference of
  /// the rewards of a pair, left out where there is none.
  static Metrics measure(const Rollout& rollout);

  static std::string_view without_items() { return "no group had rewards that differ"; }
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/best_and_worst.ipp"
#endif
