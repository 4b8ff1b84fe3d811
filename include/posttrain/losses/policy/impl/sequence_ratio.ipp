// SPDX-License-Identifier: Apache-2.0
// Definitions of sequence_ratio.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/sequence_ratio.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor sample_sums(const Tensor& value, const RolloutBatch& batch) {
  const Tensor sample = batch.sequence_of();
  return at::zeros({batch.items()}, value.options())
      .index_add(0, sample, value)
      .index_select(0, sample);
}

POSTTRAIN_INLINE Tensor sample_means(const Tensor& value, const RolloutBatch& batch) {
  return sample_sums(value, batch) / batch.length;
}

}  // namespace posttrain
