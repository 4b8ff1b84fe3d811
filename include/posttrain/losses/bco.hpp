// SPDX-License-Identifier: Apache-2.0
// Binary classifier optimisation on single judged answers (arXiv 2404.04656): a classifier whose
// logit is the implicit reward, shifted to lie between the two kinds:
//
//   L = mean over answers of −log σ(β r − δ) of desirable ones, −log σ(δ − β r) of the others,
//   δ = ½ (mean of β r over desirable answers + mean over the others),   r = log π / π_ref
//
// The paper keeps a running mean for δ; here it is that of the whole optimizer step, without a
// gradient (a kind that the step lacks leaves the other's mean). No underlying-distribution
// matching. Of the peers, TRL had it as BCOTrainer until 1.0.
#pragma once

#include <cstddef>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/answer_scores.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

struct Bco {
  using Batch = AnswerBatch;
  struct Statistics {
    double shift = 0.0;  // δ
  };
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Bco.beta must be positive");
  }

  Statistics gather(const std::vector<Scored<AnswerBatch>>& step) const {
    Tensors of_batches;  // rewards of all answers, of the desirable ones, and the number of these
    for (const Scored<AnswerBatch>& scored : step) {
      const Tensor rewards = beta * answer_scores(scored.scores(), scored.batch()).log_ratio();
      const Tensor desirable = scored.batch().desirable.to(rewards.scalar_type());
      of_batches.insert(of_batches.end(),
                        {rewards.sum(), (rewards * desirable).sum(), desirable.sum()});
    }
    const std::vector<double> read = read_numbers(of_batches);
    double sums[2] = {}, counts[2] = {};
    for (std::size_t i = 0; i < step.size(); ++i) {
      const double all = read[3 * i], good_sum = read[3 * i + 1], good = read[3 * i + 2];
      sums[0] += good_sum;
      counts[0] += good;
      sums[1] += all - good_sum;
      counts[1] += static_cast<double>(step[i].batch().items()) - good;
    }
    double shift = 0.0, kinds = 0.0;
    for (int kind = 0; kind < 2; ++kind) {
      if (counts[kind] == 0.0) continue;
      shift += sums[kind] / counts[kind];
      kinds += 1.0;
    }
    return {shift / kinds};
  }

  Tensor losses(const Scores& scores, const AnswerBatch& batch,
                const Statistics& statistics) const {
    const Tensor x = beta * answer_scores(scores, batch).log_ratio() - statistics.shift;
    return -logsigmoid(x.where(batch.desirable, -x));
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const AnswerBatch& batch, MetricMeans& means) const {
    measure_answers(scores, batch, beta, means);
  }
};

}  // namespace posttrain
