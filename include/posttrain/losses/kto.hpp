// SPDX-License-Identifier: Apache-2.0
// Kahneman–Tversky optimisation on single judged answers (arXiv 2402.01306, equation 7):
//
//   L = mean over answers of λ_D [1 − σ(β (r − KL))] of desirable ones and
//                            λ_U [1 − σ(β (KL − r))] of the others,   r = log π / π_ref
//
// KL = max(0, mean r of prompts with answers to other prompts) over the whole optimizer step, no
// gradient through it. TRL: KTOTrainer, loss_type "kto", whose KL is of a micro-batch.
#pragma once

#include <algorithm>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/answer_scores.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

struct Kto {
  using Batch = AnswerBatch;
  struct Statistics {
    double kl = 0.0;
  };
  static constexpr bool needs_reference = true;

  double beta = 0.1;
  // The paper wants λ_D · desirable : λ_U · undesirable between 1:1 and 4:3.
  double desirable_weight = 1.0;    // λ_D
  double undesirable_weight = 1.0;  // λ_U

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Kto.beta must be positive");
    if (!(desirable_weight >= 0.0 && undesirable_weight >= 0.0)) {
      fail("posttrain: Kto's weights must not be negative");
    }
  }

  Statistics gather(const std::vector<Scored<AnswerBatch>>& step) const {
    Tensors sums;
    double count = 0.0;
    for (const Scored<AnswerBatch>& scored : step) {
      const TokenBatch& other = scored.batch().mismatched;
      const Tensor ratio = scored.scores_of(other).logp - scored.ref_logps_of(other);
      sums.push_back((ratio * other.weight).sum());
      count += static_cast<double>(scored.batch().items());
    }
    double sum = 0.0;
    for (const double part : read_numbers(sums)) sum += part;
    return {std::max(0.0, sum / count)};
  }

  Tensor losses(const Scores& scores, const AnswerBatch& batch,
                const Statistics& statistics) const {
    const Tensor x = beta * (answer_scores(scores, batch).log_ratio() - statistics.kl);
    return answer_losses(x, batch, desirable_weight, undesirable_weight);
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const AnswerBatch& batch, MetricMeans& means) const {
    measure_answers(scores, batch, beta, means);
  }
};

}  // namespace posttrain
