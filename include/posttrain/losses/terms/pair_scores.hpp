// SPDX-License-Identifier: Apache-2.0
// The terms of losses on pairs: for each pair the log-probabilities of both answers, under the
// policy and, where the loss compares, under the reference.
//
// An answer's log-probability is the sum over its scored tokens, Σ w log p: prompts are never
// scored and there is no padding to count. A loss that offers `losses(const PairScores&)` takes
// counts, needs and metrics from here (losses/terms/loss_terms.hpp).
#pragma once

#include "posttrain/batch/pairs.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// The answers of a batch, or of one side of it: one number for each.
struct AnswerScores {
  Tensor logps;      // of the whole answer
  Tensor ref_logps;  // under the reference; undefined without one
  Tensor length;     // scored tokens, by weight

  /// log π / π_ref.
  Tensor log_ratio() const { return logps - ref_logps; }
  /// logps per token.
  Tensor mean_logps() const { return logps / length; }
};

/// Both answers of every pair, [pairs] each.
struct PairScores {
  AnswerScores chosen, rejected;
  const PairBatch* batch = nullptr;  // where the pairs are from, with their margins
};

/// log σ(x), exact for large |x|.
Tensor logsigmoid(const Tensor& x);

/// −(1 − ε) log σ(x) − ε log σ(−x): the log-loss of labels of which a share ε is flipped.
Tensor smoothed_logsigmoid(const Tensor& x, double label_smoothing);

/// Sums over the predictions of each sequence, Σ weight · value: value [P] → [sequences].
Tensor sequence_sums(const Tensor& value, const TokenBatch& batch);

/// One answer for each sequence, [sequences]. Differentiable in `scores.logp`.
AnswerScores answer_scores(const Scores& scores, const TokenBatch& batch);

/// The answers by pairs. Keeps the address of `batch`.
PairScores pair_scores(const Scores& scores, const PairBatch& batch);

/// Metrics of preferences show the entropy.
constexpr Need preference_needs() { return {.entropy = true}; }

/// An answer's implicit reward, up to a factor β.
enum class Reward { log_ratio, logps, mean_logps };

/// TRL's metrics: rewards/chosen, rewards/rejected, rewards/accuracies, rewards/margins,
/// logps/chosen, logps/rejected, each a mean over pairs, and entropy, a mean over tokens. Where the
/// reward is one per token, so are logps.
void measure_rewards(const Scores& scores, const PairBatch& batch, double beta, MetricMeans& means,
                     Reward reward = Reward::log_ratio);

/// The reward of a loss on pairs: its own `static constexpr Reward reward`, or else the log-ratio
/// where it compares with a reference and the log-probability where it does not.
template <class Loss>
constexpr Reward reward_of() {
  if constexpr (requires { Loss::reward; }) {
    return Loss::reward;
  } else {
    return needs_reference<Loss>() ? Reward::log_ratio : Reward::logps;
  }
}

/// The metrics of a loss that has none of its own, with its field `beta` for β, if there is one.
template <ValuesPairs Loss>
void measure_pairs(const Loss& loss, const Scores& scores, const PairBatch& batch,
                   MetricMeans& means) {
  double beta = 1.0;
  if constexpr (requires { loss.beta; }) beta = loss.beta;
  measure_rewards(scores, batch, beta, means, reward_of<Loss>());
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/terms/impl/pair_scores.ipp"
#endif
