// SPDX-License-Identifier: Apache-2.0
// Statistics of rows of logits and their one backward, for a chunk of the language-model head.
//
//   lse = log Σ exp z,  logp = z[target] − lse,  entropy = lse − Σ p z,  mean_logit = mean z
//   dz = a (onehot − p) + b p − c p (log p + H) + d / V
// with a, b, c, d the upstream gradients of logp, lse, entropy and mean_logit of the row.
#pragma once

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// Per row, float32 (float64 for double logits); what was not asked for is undefined, but lse is
/// always there.
struct RowStats {
  Tensor logp, lse, entropy, mean_logit;  // [n] each
};

/// Which optional statistics to compute.
struct RowWanted {
  bool entropy = false;
  bool mean_logit = false;
};

/// Upstream gradients, [n] each; undefined means zero.
struct RowGrads {
  Tensor logp, lse, entropy, mean_logit;
};

/// logits [n, V], targets [n] int64. Computed without a graph.
inline RowStats row_stats(const Tensor& logits, const Tensor& targets, RowWanted wanted = {}) {
  at::NoGradGuard no_grad;
  const Tensor z = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  RowStats stats;
  stats.lse = z.logsumexp(1);
  stats.logp = z.gather(1, targets.unsqueeze(1)).squeeze(1) - stats.lse;
  if (wanted.entropy) {
    const Tensor p = (z - stats.lse.unsqueeze(1)).exp();
    stats.entropy = stats.lse - (p * z).masked_fill(p == 0, 0).sum(1);
  }
  if (wanted.mean_logit) stats.mean_logit = z.mean(1);
  return stats;
}

/// Overwrites `logits` with the gradient of the logits. `stats` of row_stats: lse always, entropy
/// where grads.entropy is defined.
inline void row_stats_backward_(const Tensor& logits, const Tensor& targets, const RowStats& stats,
                                const RowGrads& grads) {
  at::NoGradGuard no_grad;
  const Tensor z = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const Tensor log_p = z - stats.lse.unsqueeze(1);
  const Tensor p = log_p.exp();
  Tensor dz = at::zeros_like(z);
  if (grads.logp.defined()) {
    dz -= p * grads.logp.unsqueeze(1);
    dz.scatter_add_(1, targets.unsqueeze(1), grads.logp.to(z.scalar_type()).unsqueeze(1));
  }
  if (grads.lse.defined()) dz += p * grads.lse.unsqueeze(1);
  if (grads.entropy.defined()) {
    const Tensor term = p * (log_p + stats.entropy.unsqueeze(1)) * grads.entropy.unsqueeze(1);
    dz -= term.masked_fill(p == 0, 0);
  }
  if (grads.mean_logit.defined()) {
    dz += (grads.mean_logit / static_cast<double>(z.size(1))).unsqueeze(1);
  }
  logits.copy_(dz);
}

}  // namespace posttrain
