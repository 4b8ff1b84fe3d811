// SPDX-License-Identifier: Apache-2.0
// Dropout whose mask is a function of (seed, step, place in the model, sample, position, column):
// the same token is masked alike in every packing, split and recomputation.
#pragma once

#include <cstdint>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// A key for each row of a batch, of its sample and position: [T] int64, 64 bits each.
Tensor row_keys(const TokenBatch& batch);

struct KeyedDropout {
  double probability = 0.0;
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  Tensor rows{};  // [T] int64: row_keys of the batch

  /// x [T, n] with entries set to 0 with `probability` and the others divided by 1 − probability.
  /// The mask is its own transpose: the same call takes gradients back.
  Tensor apply(const Tensor& x, int place) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/dropout.ipp"
#endif
