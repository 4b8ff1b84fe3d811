// SPDX-License-Identifier: Apache-2.0
// Definitions of next_token.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE double NextToken::count(const TokenBatch& batch) const {
  return at::sum(batch.weight, at::kDouble).item<double>();
}

POSTTRAIN_INLINE Tensor NextToken::sum(const Scores& scores, const TokenBatch& batch) const {
  Tensor term = -scores.logp;
  if (label_smoothing > 0.0) {
    term = term * (1.0 - label_smoothing) + (scores.lse - scores.mean_logit) * label_smoothing;
  }
  if (z_loss > 0.0) term = term + scores.lse * scores.lse * z_loss;
  return (term * batch.weight).sum();
}

}  // namespace posttrain
