// SPDX-License-Identifier: Apache-2.0
// Definitions of steps.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/steps.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE StepRewardBatch StepRewardBatch::slice(std::int64_t begin,
                                                        std::int64_t end) const {
  StepRewardBatch part;
  static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
  part.label = label.narrow(0, begin, end - begin);
  return part;
}

POSTTRAIN_INLINE StepRewardBatch StepRewardBatch::to(at::Device device) const {
  StepRewardBatch moved = *this;
  std::vector<Tensor*> tensors = moving_tensors(moved, device);
  tensors.push_back(&moved.label);
  upload_together(tensors, device);
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
