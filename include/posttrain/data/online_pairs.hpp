// SPDX-License-Identifier: Apache-2.0
// Pairs of what the policy writes itself: prompts are answered and judged as by Rollouts, and the
// best and the worst sample of each become a pair for any loss on pairs (Dpo, Ipo, SimPo, Hinge …).
//
//   OnlinePairs<MathAnswer>{.rollouts = {.path = "gsm8k.jsonl", .group_size = 8}}
//
// An optimizer step is `effective_batch_size` completions, so `effective_batch_size` / `group_size`
// pairs at the most: a group whose rewards are all equal gives none (metric pairs/ties), and a step
// without a pair updates nothing. Pairs are scored at the sampling temperature. With groups of two
// it is online DPO (OAIF, arXiv 2402.04792). TRL: OnlineDPOTrainer, which draws two samples at
// temperature 0.9 and trains at 1.
#pragma once

#include <cstdint>
#include <iterator>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/rollouts.hpp"
#include "posttrain/data/rollouts/best_and_worst.hpp"
#include "posttrain/data/rollouts/chosen_stream.hpp"

namespace posttrain {

/// `More`: what Rollouts takes beside its verifier.
template <class V, class... More>
struct OnlinePairs {
  using Batch = PairBatch;

  Rollouts<V, More...> rollouts{};

  void validate() const {
    rollouts.validate();
    if (rollouts.mirror_support) {
      fail(
          "posttrain: OnlinePairs.rollouts.mirror_support is for losses on rollouts: pairs are "
          "scored among "
          "all ids; hint: without top_k, top_p and min_p");
    }
    if (rollouts.group_size < 2) {
      fail(
          "posttrain: OnlinePairs.rollouts.group_size must be at least 2: a pair is two samples of "
          "a prompt");
    }
  }

  data::ChosenStream<data::BestAndWorst> open(const data::LoadContext& context,
                                              std::int64_t effective_batch_size) const {
    data::RolloutStream stream = rollouts.open_for(context, effective_batch_size, 2);
    const std::int64_t answers = 2 * rollouts.sampling.max_new_tokens;
    for (const data::PromptItem& item : stream.prompts()) {
      if (std::ssize(item.ids) + answers <= context.max_tokens_per_batch) continue;
      raise(
          "sample {}: a prompt of {} tokens and two answers of max_new_tokens = {} do not fit "
          "max_tokens_per_batch = {}; hint: raise it, or set max_seq_len to drop long prompts",
          item.sample, item.ids.size(), rollouts.sampling.max_new_tokens,
          context.max_tokens_per_batch);
    }
    return {std::move(stream), {}};
  }
};

template <class V, class... More>
OnlinePairs(Rollouts<V, More...>) -> OnlinePairs<V, More...>;

}  // namespace posttrain
