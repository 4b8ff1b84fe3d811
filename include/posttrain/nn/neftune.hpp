// SPDX-License-Identifier: Apache-2.0
// NEFTune: uniform noise on the embeddings while training (arXiv 2310.05914).
//
//   x += U(−a, a) elementwise,  a = alpha / sqrt(L · d)
//
// L is the length of the token's own sequence: TRL takes the padded or packed length, so its noise
// depends on what shares the batch. Noise is keyed by seed, step, sample and position, so packing,
// micro-batching and recomputation reproduce it. Virtual tokens (batch/virtual_tokens.hpp) get no
// noise and count neither in L nor in the position, as with PEFT, where the embedding is hooked.
// For the same reason noise falls before a scale of the model's input (Granite's
// embedding_multiplier).
#pragma once

#include <cstdint>

#include "posttrain/batch/tokens.hpp"

namespace posttrain {

struct NefTune {
  double alpha = 0.0;  // 0: off; typical 5 to 15
  std::uint64_t seed = 0;
  std::int64_t step = 0;
};

/// x [T, d] → x plus noise, the gradient passes through.
Tensor add_neftune_noise(const Tensor& x, const TokenBatch& batch, const NefTune& options);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/neftune.ipp"
#endif
