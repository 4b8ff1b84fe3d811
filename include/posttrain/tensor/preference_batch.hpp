// SPDX-License-Identifier: Apache-2.0
// Pairs of answers to a prompt, the first preferred: a micro-batch whose sequences 2i and 2i + 1
// are the chosen and the rejected answer of pair i.
//
// A pair is a prompt segment with two children, so the prompt is read once for both, with the exact
// gradient; its last row predicts the first token of either. A prompt that is not shared stands in
// front of each answer instead.
#pragma once

#include <cstdint>
#include <span>

#include "posttrain/core/sequence.hpp"
#include "posttrain/tensor/batch.hpp"

namespace posttrain {

/// One tokenised pair. Weights as in `Sequence`: of predicting each token of an answer.
struct PreferencePair {
  TokenIds prompt;  // at least one token
  Sequence chosen, rejected;
  float margin = 0.0F;       // by which the chosen one is better, where the data say so
  std::int64_t sample = -1;  // index in the data source

  /// Tokens that a micro-batch reads for it.
  std::int64_t tokens(bool share_prompt) const {
    const auto prompts = static_cast<std::int64_t>(prompt.size()) * (share_prompt ? 1 : 2);
    return prompts + static_cast<std::int64_t>(chosen.ids.size() + rejected.ids.size());
  }
};

struct PreferenceBatch : TokenBatch {
  Tensor margin;  // [pairs] float32

  std::int64_t pairs() const { return static_cast<std::int64_t>(offsets.size()) / 2; }

  /// The predictions [begin, end); as in TokenBatch, pairs are not meaningful in a slice.
  PreferenceBatch slice(std::int64_t begin, std::int64_t end) const {
    PreferenceBatch part = *this;
    static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
    return part;
  }

  PreferenceBatch to(at::Device device) const;
};

PreferenceBatch pack_pairs(std::span<const PreferencePair* const> pairs, bool share_prompts = true);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/preference_batch_impl.hpp"
#endif
