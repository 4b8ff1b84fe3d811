// SPDX-License-Identifier: Apache-2.0
// Definitions of value_error.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/measures.hpp"
#include "posttrain/losses/policy/value_error.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// Values within `clip` of those before the update.
inline Tensor near_old(const Tensor& values, const RolloutBatch& batch, double clip) {
  return batch.old_values + (values - batch.old_values).clamp(-clip, clip);
}

}  // namespace detail

POSTTRAIN_INLINE Tensor value_error(const Tensor& values, const RolloutBatch& batch, double clip) {
  const Tensor error = square(values - batch.returns);
  if (clip == 0.0) return error * 0.5;
  return error.maximum(square(detail::near_old(values, batch, clip) - batch.returns)) * 0.5;
}

POSTTRAIN_INLINE void measure_values(const Tensor& values, const RolloutBatch& batch, double clip,
                                     MetricMeans& means) {
  if (values.numel() == 0) return;
  const Tensor error = square(values - batch.returns);
  add_token_mean(means, "value/loss", value_error(values, batch, clip));
  add_token_mean(means, "value/mean", values);
  add_token_mean(means, "value/error", error);
  if (clip > 0.0) {
    add_token_mean(means, "value/clip_ratio",
                   square(detail::near_old(values, batch, clip) - batch.returns).gt(error));
  }
  add_token_mean(means, "return/mean", batch.returns);
  add_token_mean(means, "return/mean_square", square(batch.returns));
}

}  // namespace posttrain
