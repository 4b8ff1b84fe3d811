// SPDX-License-Identifier: Apache-2.0
// Definitions of dpo.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// s of a log-ratio.
inline Tensor divergence_score(const Tensor& log_ratio, Divergence divergence, double alpha) {
  switch (divergence) {
    case Divergence::reverse_kl:
      return log_ratio;
    case Divergence::forward_kl:
      return -at::exp(-log_ratio);
    case Divergence::js_divergence:
      return at::log_sigmoid(log_ratio);
    case Divergence::alpha_divergence:
      return at::exp(log_ratio * (alpha - 1.0)) / (alpha - 1.0);
  }
  return {};
}

}  // namespace detail

POSTTRAIN_INLINE Tensor Dpo::sum(const Scores& scores, const PreferenceBatch& batch) const {
  const PairScores pairs = pair_scores(scores, batch);
  const Tensor difference = detail::divergence_score(pairs.chosen.log_ratio(), divergence, alpha) -
                            detail::divergence_score(pairs.rejected.log_ratio(), divergence, alpha);
  Tensor losses = -at::log_sigmoid(beta * difference);
  if (label_smoothing > 0.0) {
    losses =
        losses * (1.0 - label_smoothing) - at::log_sigmoid(-beta * difference) * label_smoothing;
  }
  return losses.sum();
}

}  // namespace posttrain
