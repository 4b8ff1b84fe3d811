// SPDX-License-Identifier: Apache-2.0
// Anchored preference optimisation, zero, on single judged answers (arXiv 2408.06266, equation 7
// taken apart), r = log π / π_ref:
//
//   L = mean over answers of λ_D [1 − σ(β r)] of desirable ones, λ_U σ(β r) of the others
//
// TRL: KTOTrainer, loss_type "apo_zero_unpaired".
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/answer_scores.hpp"

namespace posttrain {

struct ApoZeroUnpaired {
  using Batch = AnswerBatch;
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  double desirable_weight = 1.0;    // λ_D
  double undesirable_weight = 1.0;  // λ_U

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: ApoZeroUnpaired.beta must be positive");
    if (!(desirable_weight >= 0.0 && undesirable_weight >= 0.0)) {
      fail("posttrain: ApoZeroUnpaired's weights must not be negative");
    }
  }

  /// One value for each answer, [answers].
  Tensor losses(const Scores& scores, const AnswerBatch& batch) const {
    const Tensor x = beta * answer_scores(scores, batch).log_ratio();
    return answer_losses(x, batch, desirable_weight, undesirable_weight);
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const AnswerBatch& batch, MetricMeans& means) const {
    measure_answers(scores, batch, beta, means);
  }
};

}  // namespace posttrain
