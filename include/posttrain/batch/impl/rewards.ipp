// SPDX-License-Identifier: Apache-2.0
// Definitions of rewards.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE RewardBatch RewardBatch::to(at::Device device) const {
  RewardBatch moved = *this;
  std::vector<Tensor*> tensors = moving_tensors(moved, device);
  tensors.push_back(&moved.margin);
  upload_together(tensors, device);
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

}  // namespace posttrain
