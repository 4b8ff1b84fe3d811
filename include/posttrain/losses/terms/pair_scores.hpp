// SPDX-License-Identifier: Apache-2.0
// What losses on pairs are made of: per pair the log-probabilities of both answers, under the
// policy and, where the loss compares, under the reference.
//
// An answer's log-probability is the sum over its scored tokens, Σ w log p: prompts are never
// scored and there is no padding to count (C17).
#pragma once

#include "posttrain/base/metric_means.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/nn/lm_head.hpp"

namespace posttrain {

/// Some answers, one number for each.
struct AnswerScores {
  Tensor logps;      // of the whole answer
  Tensor ref_logps;  // under the reference; undefined without one
  Tensor length;     // scored tokens, by weight

  /// log π / π_ref.
  Tensor log_ratio() const { return logps.sub(ref_logps); }
  /// logps per token.
  Tensor mean_logps() const { return logps.div(length); }
};

/// Those of every pair, [pairs] each.
struct PairScores {
  AnswerScores chosen, rejected;
};

/// log σ(x), exact for large |x|.
Tensor logsigmoid(const Tensor& x);

/// −(1 − ε) log σ(x) − ε log σ(−x): the log-loss of labels of which a share ε is flipped.
Tensor smoothed_logsigmoid(const Tensor& x, double label_smoothing);

/// Adds up what belongs to one sequence, Σ weight · value: value [P] → [sequences].
Tensor sequence_sums(const Tensor& value, const TokenBatch& batch);

/// One answer for each sequence, [sequences]. Differentiable in `scores.logp`.
AnswerScores answer_scores(const Scores& scores, const TokenBatch& batch);

/// The same by pairs.
PairScores pair_scores(const Scores& scores, const PairBatch& batch);

/// What metrics of preferences ask for: the entropy.
constexpr Need preference_needs() { return {.entropy = true}; }

/// What a loss takes for the implicit reward of an answer, times its β.
enum class Reward { log_ratio, logps, mean_logps };

/// TRL's metrics: rewards/chosen, rewards/rejected, rewards/accuracies, rewards/margins,
/// logps/chosen, logps/rejected, each a mean over pairs, and entropy, a mean over tokens. Where the
/// reward is one per token, so are logps.
void measure_rewards(const Scores& scores, const PairBatch& batch, double beta, MetricMeans& means,
                     Reward reward = Reward::log_ratio);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/terms/impl/pair_scores.ipp"
#endif
