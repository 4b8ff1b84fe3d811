// SPDX-License-Identifier: Apache-2.0
// Definitions of pair_scores.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/core/metric_means.hpp"
#include "posttrain/losses/pair_scores.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor AnswerScores::log_ratio() const { return logps - ref_logps; }
POSTTRAIN_INLINE Tensor AnswerScores::mean_logps() const { return logps / length; }
POSTTRAIN_INLINE Tensor AnswerScores::mean_log_ratio() const { return log_ratio() / length; }

POSTTRAIN_INLINE Tensor sequence_sums(const Tensor& value, const TokenBatch& batch) {
  const auto sequences = static_cast<std::int64_t>(batch.offsets.size()) - 1;
  return at::zeros({sequences}, value.options())
      .index_add(0, batch.sequence_of(), value * batch.weight);
}

POSTTRAIN_INLINE PairScores pair_scores(const Scores& scores, const PreferenceBatch& batch) {
  const Tensor logps = sequence_sums(scores.logp, batch);
  const Tensor length = sequence_sums(at::ones_like(scores.logp), batch);
  const Tensor ref_logps =
      batch.ref_logps.defined() ? sequence_sums(batch.ref_logps, batch) : Tensor();
  const auto side = [&](std::int64_t first) {
    const auto every_second = [&](const Tensor& all) {
      return all.defined() ? all.slice(0, first, std::nullopt, 2) : all;
    };
    return AnswerScores{every_second(logps), every_second(ref_logps), every_second(length)};
  };
  return {side(0), side(1)};
}

POSTTRAIN_INLINE void measure_rewards(const PairScores& pairs, double beta, MetricMeans& means) {
  const auto reward = [&](const AnswerScores& answer) {
    return beta * (answer.ref_logps.defined() ? answer.log_ratio() : answer.logps);
  };
  const Tensor chosen = reward(pairs.chosen), rejected = reward(pairs.rejected);
  const auto count = static_cast<double>(chosen.size(0));
  const auto add = [&](const char* name, const Tensor& values) {
    means.add(name, values.sum(at::kDouble).item<double>(), count);
  };
  add("rewards/chosen", chosen);
  add("rewards/rejected", rejected);
  add("rewards/accuracies", chosen > rejected);
  add("rewards/margins", chosen - rejected);
  add("logps/chosen", pairs.chosen.logps);
  add("logps/rejected", pairs.rejected.logps);
}

}  // namespace posttrain
