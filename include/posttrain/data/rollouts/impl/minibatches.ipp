// SPDX-License-Identifier: Apache-2.0
// Definitions of minibatches.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/data/rollouts/minibatches.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::data {

namespace detail {

/// Items that share a prompt in one micro-batch.
struct SharedPrompt {
  std::vector<RolloutItem> items;
  std::int64_t tokens = 0;
};

inline std::int64_t tokens_of(const RolloutSample& sample) {
  return static_cast<std::int64_t>(sample.ids.size());
}

/// Runs of items of one group, each with its prompt within `max_tokens`. Returns how many groups
/// were cut.
inline std::int64_t share_prompts(const std::vector<RolloutItem>& items, std::int64_t max_tokens,
                                  std::vector<SharedPrompt>& shared) {
  std::int64_t cut = 0;
  const RolloutGroup* group = nullptr;
  bool counted = false;
  for (const RolloutItem& item : items) {
    const std::int64_t tokens = tokens_of(*item.sample);
    const auto prompt = static_cast<std::int64_t>(item.group->prompt.size());
    if (item.group != group) {
      group = item.group;
      counted = false;
      shared.push_back({{}, prompt});
    } else if (shared.back().tokens + tokens > max_tokens) {
      cut += std::exchange(counted, true) ? 0 : 1;
      shared.push_back({{}, prompt});
    }
    if (prompt + tokens > max_tokens) {
      raise(
          "prompt {}: a sample of {} tokens behind a prompt of {} does not fit "
          "max_tokens_per_batch = {}; hint: raise it, or lower max_new_tokens",
          item.group->sample, tokens, prompt, max_tokens);
    }
    shared.back().items.push_back(item);
    shared.back().tokens += tokens;
  }
  return cut;
}

inline std::vector<std::vector<RolloutItem>> packed(const std::vector<SharedPrompt>& shared,
                                                    std::int64_t max_tokens, std::int64_t ranks) {
  std::vector<std::int64_t> lengths;
  for (const SharedPrompt& each : shared) lengths.push_back(each.tokens);
  std::vector<std::vector<RolloutItem>> all;
  if (shared.empty()) return all;
  for (const auto& pack : pack_for_ranks(FirstFitDecreasing{}, lengths, max_tokens, ranks)) {
    std::vector<RolloutItem>& items = all.emplace_back();
    for (const std::int64_t index : pack) {
      const auto& more = shared[static_cast<std::size_t>(index)].items;
      items.insert(items.end(), more.begin(), more.end());
    }
  }
  return all;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<std::vector<std::size_t>> minibatches(std::size_t groups,
                                                                   std::int64_t per_step,
                                                                   std::uint64_t seed,
                                                                   std::int64_t rollout,
                                                                   std::int64_t iteration) {
  std::uint64_t stream = stream_of("minibatches");
  stream = mix_streams(stream, static_cast<std::uint64_t>(rollout));
  stream = mix_streams(stream, static_cast<std::uint64_t>(iteration));
  const std::vector<std::int64_t> order =
      permutation(static_cast<std::int64_t>(groups), seed, stream);
  std::vector<std::vector<std::size_t>> steps(1);
  for (const std::int64_t group : order) {
    if (std::ssize(steps.back()) == per_step) steps.emplace_back();
    steps.back().push_back(static_cast<std::size_t>(group));
  }
  return steps;
}

POSTTRAIN_INLINE StepBatches step_batches(const Rollout& rollout, const Advantages& advantages,
                                          std::span<const std::size_t> groups,
                                          const RolloutNeeds& needs, std::int64_t max_tokens,
                                          std::int64_t ranks) {
  std::vector<const RolloutGroup*> chosen;
  std::vector<const std::vector<SampleAdvantage>*> of_chosen;
  for (const std::size_t group : groups) {
    chosen.push_back(&rollout.groups.at(group));
    of_chosen.push_back(&advantages.at(group));
  }
  StepBatches step;
  std::vector<detail::SharedPrompt> shared;
  step.split_groups =
      detail::share_prompts(rollout_items(chosen, of_chosen, needs), max_tokens, shared);
  for (const auto& items : detail::packed(shared, max_tokens, ranks)) {
    step.batches.push_back(pack_rollout(items, rollout.temperature));
  }
  return step;
}

POSTTRAIN_INLINE std::vector<ScoringBatch> scoring_batches(Rollout& rollout,
                                                           std::int64_t max_tokens,
                                                           std::int64_t ranks) {
  std::vector<RolloutItem> items;
  for (RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      if (sample.trained_tokens() > 0) items.push_back({&group, &sample});
    }
  }
  std::vector<detail::SharedPrompt> shared;
  detail::share_prompts(items, max_tokens, shared);
  std::vector<ScoringBatch> all;
  for (const auto& pack : detail::packed(shared, max_tokens, ranks)) {
    ScoringBatch& scoring =
        all.emplace_back(ScoringBatch{pack_rollout(pack, rollout.temperature), {}});
    for (const RolloutItem& item : pack) {
      scoring.samples.push_back(const_cast<RolloutSample*>(item.sample));  // of `rollout`
    }
  }
  return all;
}

POSTTRAIN_INLINE void keep_scores(const ScoringBatch& scored,
                                  std::vector<float> RolloutSample::*field, const Tensor& numbers) {
  const Tensor host = at::empty({numbers.size(0)}, at::kFloat);
  copy_down(host, numbers.to(at::kFloat));
  const float* next = host.const_data_ptr<float>();
  for (RolloutSample* sample : scored.samples) {
    std::vector<float>& values = sample->*field;
    values.assign(sample->ids.size(), 0.0F);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (sample->sampled[i] != 0) values[i] = *next++;
    }
  }
}

}  // namespace posttrain::data
