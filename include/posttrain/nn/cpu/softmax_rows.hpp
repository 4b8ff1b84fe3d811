// SPDX-License-Identifier: Apache-2.0
// Statistics of rows of logits and their one backward, for a chunk of the language-model head.
//
//   lse = log Σ exp z,  logp = z[target] − lse,  entropy = lse − Σ p z,  mean_logit = mean z,
//   log_sum_sq = log Σ p² (without a gradient)
//   dz = a (onehot − p) + b p − c p (log p + H) + d / V
// with a, b, c, d the upstream gradients of logp, lse, entropy and mean_logit of the row.
// Mathematics in float32 (double for double); long sums add up in double.
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Per row, float32 (float64 for double logits); a statistic that was not asked for is undefined.
struct RowStats {
  Tensor logp, lse, entropy, mean_logit;  // [n] each
  Tensor log_sum_sq{};                    // [n]
};

/// The optional statistics to compute; logp and lse always are.
struct RowWanted {
  bool entropy = false;
  bool mean_logit = false;
  bool log_sum_sq = false;
};

/// Upstream gradients, [n] each; undefined means zero.
struct RowGrads {
  Tensor logp, lse, entropy, mean_logit;
};

/// logits [n, V], targets [n] int64 in [0, V). Computed without a graph.
RowStats row_stats(const Tensor& logits, const Tensor& targets, RowWanted wanted = {});

/// Overwrites `logits` with the gradient of the logits. `stats` of row_stats: lse always, entropy
/// where grads.entropy is defined.
void row_stats_backward_(const Tensor& logits, const Tensor& targets, const RowStats& stats,
                         const RowGrads& grads);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/cpu/impl/softmax_rows.ipp"
#endif
