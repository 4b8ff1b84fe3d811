// SPDX-License-Identifier: Apache-2.0
// The terms of losses on single judged answers: values by verdict, and metrics.
#pragma once

#include "posttrain/batch/answers.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// λ_D [1 − σ(x)] of desirable answers, λ_U σ(x) of the others: x [answers] → [answers].
Tensor answer_losses(const Tensor& x, const AnswerBatch& batch, double desirable_weight,
                     double undesirable_weight);

/// TRL's metrics of a loss whose implicit reward is β log π / π_ref: rewards/chosen and
/// logps/chosen are means over desirable answers, rewards/rejected and logps/rejected over the
/// others, entropy is one over tokens.
void measure_answers(const Scores& scores, const AnswerBatch& batch, double beta,
                     MetricMeans& means);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/terms/impl/answer_scores.ipp"
#endif
