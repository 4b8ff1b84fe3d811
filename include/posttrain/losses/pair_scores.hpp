// SPDX-License-Identifier: Apache-2.0
// What losses on pairs are made of: per pair the log-probabilities of both answers, under the
// policy and, where the loss compares, under the reference.
//
// An answer's log-probability is the sum over its scored tokens, Σ w log p: prompts are never
// scored and there is no padding to count (C17).
#pragma once

#include "posttrain/core/metric_means.hpp"
#include "posttrain/tensor/lm_head.hpp"
#include "posttrain/tensor/preference_batch.hpp"

namespace posttrain {

/// One answer of every pair, [pairs] each.
struct AnswerScores {
  Tensor logps;      // of the whole answer
  Tensor ref_logps;  // under the reference; undefined without one
  Tensor length;     // scored tokens, by weight

  /// log π / π_ref.
  Tensor log_ratio() const;
  /// logps per token, and log_ratio() per token.
  Tensor mean_logps() const;
  Tensor mean_log_ratio() const;
};

struct PairScores {
  AnswerScores chosen, rejected;
};

/// Adds up what belongs to one sequence, Σ weight · value: value [P] → [sequences].
Tensor sequence_sums(const Tensor& value, const TokenBatch& batch);

/// Differentiable in `scores.logp`.
PairScores pair_scores(const Scores& scores, const PreferenceBatch& batch);

/// TRL's metrics of a loss whose implicit reward is beta · log_ratio(): rewards/chosen,
/// rewards/rejected, rewards/accuracies, rewards/margins, logps/chosen, logps/rejected. Without a
/// reference the reward is beta · logps.
void measure_rewards(const PairScores& pairs, double beta, MetricMeans& means);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/pair_scores_impl.hpp"
#endif
