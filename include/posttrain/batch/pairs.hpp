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

#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

struct PairBatch : TokenBatch {
  Tensor margin;  // [pairs] float32

  /// The number of pairs.
  std::int64_t items() const { return static_cast<std::int64_t>(offsets.size()) / 2; }

  /// The predictions [begin, end); as in TokenBatch, pairs are not meaningful in a slice.
  PairBatch slice(std::int64_t begin, std::int64_t end) const {
    PairBatch part = *this;
    static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
    return part;
  }

  PairBatch to(at::Device device) const;
};

PairBatch pack_pairs(std::span<const AnswerPair* const> pairs, bool share_prompts = true);

inline PairBatch PairKind::pack(std::span<const AnswerPair* const> pairs) const {
  return pack_pairs(pairs, share_prompts);
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/pairs.ipp"
#endif
