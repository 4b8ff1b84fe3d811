// SPDX-License-Identifier: Apache-2.0
// Definitions of answer_scores.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/terms/answer_scores.hpp"
#include "posttrain/losses/terms/impl/pair_scores.ipp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor answer_losses(const Tensor& x, const AnswerBatch& batch,
                                      double desirable_weight, double undesirable_weight) {
  const Tensor missed = (-x).sigmoid() * desirable_weight;
  return missed.where(batch.desirable, x.sigmoid() * undesirable_weight);
}

POSTTRAIN_INLINE void measure_answers(const Scores& scores, const AnswerBatch& batch, double beta,
                                      MetricMeans& means) {
  const AnswerScores answers = answer_scores(scores, batch);
  const Tensor rewards = answers.log_ratio().mul(beta);
  const auto add = [&](const char* name, const Tensor& values, const Tensor& which) {
    means.add(name, values.masked_fill(which.logical_not(), 0).sum(at::kDouble), which.sum());
  };
  const Tensor undesirable = batch.desirable.logical_not();
  add("rewards/chosen", rewards, batch.desirable);
  add("rewards/rejected", rewards, undesirable);
  add("logps/chosen", answers.logps, batch.desirable);
  add("logps/rejected", answers.logps, undesirable);
  detail::measure_entropy(scores, batch, means);
}

}  // namespace posttrain
