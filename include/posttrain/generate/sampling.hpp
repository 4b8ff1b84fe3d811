// SPDX-License-Identifier: Apache-2.0
// One token from the logits of a position: the likeliest, or a draw from softmax(logits / T).
//
// The draw is a pure function of seed and position (base/rng.hpp), so a continuation does not
// depend on what else is generated and can be repeated from any place. The probabilities are added
// up in double, in the order of the ids.
#pragma once

#include <cstdint>

#include "posttrain/base/rng.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// logits [V] → a token. A `temperature` of 0 is greedy: the largest logit, the first of equal
/// ones. `position` counts the tokens that precede the new one.
inline TokenId choose(const Tensor& logits, double temperature, std::uint64_t seed,
                      std::int64_t position) {
  if (temperature == 0.0) return static_cast<TokenId>(logits.argmax().item<std::int64_t>());
  const Tensor probabilities =
      at::softmax(logits.to(at::kDouble) / temperature, 0).to(at::kCPU).contiguous();
  const double* p = probabilities.data_ptr<double>();
  Philox4x32 generator(seed, static_cast<std::uint64_t>(position));
  double remaining = generator.uniform();
  TokenId last = 0;
  for (std::int64_t i = 0; i < probabilities.size(0); ++i) {
    if (p[i] <= 0.0) continue;
    last = static_cast<TokenId>(i);
    remaining -= p[i];
    if (remaining < 0.0) break;
  }
  return last;
}

}  // namespace posttrain
