// SPDX-License-Identifier: Apache-2.0
// Definitions of pair_scores.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor logsigmoid(const Tensor& x) { return at::log_sigmoid(x); }

POSTTRAIN_INLINE Tensor smoothed_logsigmoid(const Tensor& x, double label_smoothing) {
  const Tensor kept = -at::log_sigmoid(x);
  if (label_smoothing == 0.0) return kept;
  return kept * (1.0 - label_smoothing) - at::log_sigmoid(-x) * label_smoothing;
}

POSTTRAIN_INLINE Tensor sequence_sums(const Tensor& value, const TokenBatch& batch) {
  const auto sequences = static_cast<std::int64_t>(batch.offsets.size()) - 1;
  return at::zeros({sequences}, value.options())
      .index_add(0, batch.sequence_of(), value * batch.weight);
}

POSTTRAIN_INLINE AnswerScores answer_scores(const Scores& scores, const TokenBatch& batch) {
  AnswerScores answers;
  answers.logps = sequence_sums(scores.logp, batch);
  if (batch.ref_logps.defined()) answers.ref_logps = sequence_sums(batch.ref_logps, batch);
  answers.length = sequence_sums(at::ones_like(scores.logp), batch);
  return answers;
}

POSTTRAIN_INLINE PairScores pair_scores(const Scores& scores, const PairBatch& batch) {
  const AnswerScores all = answer_scores(scores, batch);
  const auto side = [&](std::int64_t first) {
    const auto every_second = [&](const Tensor& values) {
      return values.defined() ? values.slice(0, first, std::nullopt, 2) : values;
    };
    return AnswerScores{every_second(all.logps), every_second(all.ref_logps),
                        every_second(all.length)};
  };
  return {side(0), side(1), &batch};
}

namespace detail {

inline void add_mean(MetricMeans& means, const char* name, const Tensor& values) {
  means.add(name, values.sum(at::kDouble), values.numel());
}

/// A mean over scored tokens.
inline void measure_entropy(const Scores& scores, const TokenBatch& batch, MetricMeans& means) {
  if (!scores.entropy.defined()) return;
  means.add("entropy", (scores.entropy * batch.weight).sum(at::kDouble),
            batch.weight.sum(at::kDouble));
}

}  // namespace detail

POSTTRAIN_INLINE void measure_rewards(const Scores& scores, const PairBatch& batch, double beta,
                                      MetricMeans& means, Reward reward) {
  const PairScores pairs = pair_scores(scores, batch);
  const auto logps = [&](const AnswerScores& answer) {
    return reward == Reward::mean_logps ? answer.mean_logps() : answer.logps;
  };
  const auto reward_of = [&](const AnswerScores& answer) {
    return beta * (reward == Reward::log_ratio ? answer.log_ratio() : logps(answer));
  };
  const Tensor chosen = reward_of(pairs.chosen), rejected = reward_of(pairs.rejected);
  detail::add_mean(means, "rewards/chosen", chosen);
  detail::add_mean(means, "rewards/rejected", rejected);
  detail::add_mean(means, "rewards/accuracies", chosen > rejected);
  detail::add_mean(means, "rewards/margins", chosen - rejected);
  detail::add_mean(means, "logps/chosen", logps(pairs.chosen));
  detail::add_mean(means, "logps/rejected", logps(pairs.rejected));
  detail::measure_entropy(scores, batch, means);
}

}  // namespace posttrain
