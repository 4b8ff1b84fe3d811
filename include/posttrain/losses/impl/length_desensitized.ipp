// SPDX-License-Identifier: Apache-2.0
// Definitions of length_desensitized.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <tuple>

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/length_desensitized.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor tail_factors(const PairBatch& batch, double alpha) {
  const Tensor sequence = batch.sequence_of(), ones = at::ones_like(sequence);
  const auto sequences = static_cast<std::int64_t>(batch.offsets.size()) - 1;
  const Tensor lengths = at::zeros({sequences}, sequence.options()).index_add(0, sequence, ones);
  const Tensor begins = lengths.cumsum(0) - lengths;
  const Tensor shared = std::get<0>(lengths.view({-1, 2}).min(1));  // of each pair
  const Tensor place = ones.cumsum(0) - 1 - begins.index_select(0, sequence);
  const Tensor beyond = place >= shared.index_select(0, sequence.bitwise_right_shift(1));
  return at::ones_like(batch.weight).masked_fill(beyond, alpha);
}

}  // namespace posttrain
