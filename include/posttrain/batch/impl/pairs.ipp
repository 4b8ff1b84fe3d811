// SPDX-License-Identifier: Apache-2.0
// Definitions of pairs.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE PairBatch PairBatch::to(at::Device device) const {
  PairBatch moved = *this;
  std::vector<Tensor*> tensors = moving_tensors(moved, device);
  tensors.push_back(&moved.margin);
  upload_together(tensors, device);
  return moved;
}

POSTTRAIN_INLINE PairBatch pack_pairs(std::span<const AnswerPair* const> pairs,
                                      bool share_prompts) {
  BatchBuilder builder;
  std::vector<float> margins, ref_logps;
  for (const AnswerPair* pair : pairs) {
    if (pair->prompt.empty()) {
      raise("sample {}: expected a prompt of at least one token, got none", pair->sample);
    }
    int prompt = -1;
    for (const Sequence* answer : {&pair->chosen, &pair->rejected}) {
      if (counted_tokens(*answer) == 0) {
        raise("sample {}: expected answers with a token to score, got one without", pair->sample);
      }
      if (prompt < 0 || !share_prompts) prompt = builder.add(pair->prompt, -1, pair->sample);
      builder.add(answer->ids, prompt, pair->sample);
      builder.score(answer->weights);
      builder.end_sequence(pair->sample);
    }
    margins.push_back(pair->margin);
    ref_logps.insert(ref_logps.end(), pair->ref_logps.begin(), pair->ref_logps.end());
  }
  PairBatch batch;
  static_cast<TokenBatch&>(batch) = std::move(builder).build();
  batch.margin = at::tensor(margins, at::kFloat);
  if (static_cast<std::int64_t>(ref_logps.size()) == batch.predictions()) {
    batch.ref_logps = at::tensor(ref_logps, at::kFloat);
  }
  return batch;
}

}  // namespace posttrain
