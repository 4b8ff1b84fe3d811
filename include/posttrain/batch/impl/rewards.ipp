// SPDX-License-Identifier: Apache-2.0
// Definitions of rewards.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE RewardBatch RewardBatch::to(at::Device device) const {
  RewardBatch moved;
  static_cast<TokenBatch&>(moved) = TokenBatch::to(device);
  moved.margin = margin.to(device);
  return moved;
}

POSTTRAIN_INLINE RewardBatch pack_reward_pairs(std::span<const AnswerPair* const> pairs,
                                               bool share_prompts) {
  BatchBuilder builder;
  std::vector<float> margins;
  for (const AnswerPair* pair : pairs) {
    if (pair->prompt.empty() || pair->chosen.ids.empty() || pair->rejected.ids.empty()) {
      raise("sample {}: expected a prompt and two answers of at least one token, got {}, {} and {}",
            pair->sample, pair->prompt.size(), pair->chosen.ids.size(), pair->rejected.ids.size());
    }
    int prompt = -1;
    for (const Sequence* answer : {&pair->chosen, &pair->rejected}) {
      if (prompt < 0 || !share_prompts) prompt = builder.add(pair->prompt, -1, pair->sample);
      builder.add(answer->ids, prompt, pair->sample);
      builder.reward(static_cast<std::int64_t>(answer->ids.size()) - 1);
      builder.end_sequence(pair->sample);
    }
    margins.push_back(pair->margin);
  }
  RewardBatch batch;
  static_cast<TokenBatch&>(batch) = std::move(builder).build();
  batch.margin = at::tensor(margins, at::kFloat);
  return batch;
}

POSTTRAIN_INLINE StepRewardBatch StepRewardBatch::slice(std::int64_t begin,
                                                        std::int64_t end) const {
  StepRewardBatch part;
  static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
  part.label = label.narrow(0, begin, end - begin);
  return part;
}

POSTTRAIN_INLINE StepRewardBatch StepRewardBatch::to(at::Device device) const {
  StepRewardBatch moved;
  static_cast<TokenBatch&>(moved) = TokenBatch::to(device);
  moved.label = label.to(device);
  return moved;
}

POSTTRAIN_INLINE StepRewardBatch pack_steps(std::span<const SteppedSolution* const> solutions) {
  BatchBuilder builder;
  std::vector<float> labels;
  for (const SteppedSolution* solution : solutions) {
    if (solution->steps.empty() || solution->labels.size() != solution->steps.size()) {
      raise("sample {}: expected at least one step and a label for each, got {} steps, {} labels",
            solution->sample, solution->steps.size(), solution->labels.size());
    }
    TokenIds ids = solution->prompt;
    std::vector<std::int64_t> ends;
    for (const TokenIds& step : solution->steps) {
      if (step.empty()) {
        raise("sample {}: expected steps of at least one token, got none", solution->sample);
      }
      ids.insert(ids.end(), step.begin(), step.end());
      ends.push_back(static_cast<std::int64_t>(ids.size()) - 1);
    }
    builder.add(ids, -1, solution->sample);
    for (const std::int64_t end : ends) builder.reward(end);
    for (const float label : solution->labels) {
      if (!(label >= 0.0F && label <= 1.0F)) {
        raise("sample {}: expected labels in [0, 1], got {}", solution->sample, label);
      }
      labels.push_back(label);
    }
    builder.end_sequence(solution->sample);
  }
  StepRewardBatch batch;
  static_cast<TokenBatch&>(batch) = std::move(builder).build();
  batch.label = at::tensor(labels, at::kFloat);
  return batch;
}

}  // namespace posttrain
