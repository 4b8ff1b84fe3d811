// SPDX-License-Identifier: Apache-2.0
// Fine-tuning on the best of what the policy writes itself (rejection sampling): prompts are
// answered and judged as by Rollouts, and the best samples of each become sequences for any loss on
// tokens.
//
//   BestOfGroup<MathAnswer>{.rollouts = {.path = "gsm8k.jsonl"}, .least_reward = 1.0}
//
// With `keep` = 1 it is RAFT (arXiv 2304.06767); with `least_reward`, right answers alone, STaR
// (arXiv 2203.14465, without its hints) and expert iteration. An optimizer step is
// `effective_batch_size` completions, so `effective_batch_size` / `group_size` · `keep` sequences
// at the most; one without a sequence updates nothing. Sequences are scored at the sampling
// temperature (the papers train at 1): scored at another one, samples that are chosen without
// regard to rewards would sharpen or flatten the policy in every round.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/data/rollouts.hpp"
#include "posttrain/data/rollouts/best_samples.hpp"
#include "posttrain/data/rollouts/chosen_stream.hpp"

namespace posttrain {

/// `More`: what Rollouts takes beside its verifier.
template <class V, class... More>
struct BestOfGroup {
  using Batch = TokenBatch;

  Rollouts<V, More...> rollouts{};
  std::int64_t keep = 1;  // samples of each group, 1 … group_size
  // Only samples with at least this reward; −∞: all that have one.
  double least_reward = -std::numeric_limits<double>::infinity();

  void validate() const {
    rollouts.validate();
    if (rollouts.mirror_support) {
      fail(
          "posttrain: BestOfGroup.rollouts.mirror_support is for losses on rollouts: sequences are "
          "scored among "
          "all ids; hint: without top_k, top_p and min_p");
    }
    if (keep < 1 || keep > rollouts.group_size) {
      fail("posttrain: BestOfGroup.keep must be from 1 to rollouts.group_size");
    }
    if (std::isnan(least_reward)) fail("posttrain: BestOfGroup.least_reward must be a number");
  }

  data::ChosenStream<data::BestSamples> open(const data::LoadContext& context,
                                             std::int64_t effective_batch_size) const {
    return {rollouts.open(context, effective_batch_size),
            {.keep = keep, .least_reward = least_reward}};
  }
};

template <class V, class... More>
BestOfGroup(Rollouts<V, More...>) -> BestOfGroup<V, More...>;

}  // namespace posttrain
