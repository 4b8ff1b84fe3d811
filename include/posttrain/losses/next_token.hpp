// SPDX-License-Identifier: Apache-2.0
// Next-token prediction: pre-training and supervised fine-tuning.
//
//   L = Σ_i w_i [ (1 − ε)·(−log p_i) + ε·(lse_i − mean_logit_i) + ζ·lse_i² ] / Σ_i w_i
//
// over all scored tokens of the optimizer step, whatever its split into micro-batches (TRL: `nll`;
// ε as transformers' LabelSmoother, ζ the z-loss of arXiv 2204.02311 §5). Differs from TRL in that
// weights are per token and that the divisor is the step's sum of weights.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/nn/lm_head.hpp"

namespace posttrain {

struct NextToken {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = false;

  double label_smoothing = 0.0;  // ε in [0, 1)
  double z_loss = 0.0;           // ζ ≥ 0; typical 1e-4

  constexpr void validate() const {
    if (!(label_smoothing >= 0.0 && label_smoothing < 1.0)) {
      fail("posttrain: NextToken.label_smoothing must be in [0, 1)");
    }
    if (!(z_loss >= 0.0)) fail("posttrain: NextToken.z_loss must not be negative");
  }

  Need needs() const {
    return {.lse = label_smoothing > 0.0 || z_loss > 0.0, .mean_logit = label_smoothing > 0.0};
  }

  /// Sum of the weights of all predictions.
  double count(const TokenBatch& batch) const;

  Tensor sum(const Scores& scores, const TokenBatch& batch) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/impl/next_token.ipp"
#endif
