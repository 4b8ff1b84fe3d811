// SPDX-License-Identifier: Apache-2.0
// A stand-in for a model in tests of losses: the log-probability of a token is a number of a table,
// so that values and gradients of a loss can be checked without one.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/trainer/objective.hpp"

namespace posttrain::test {

struct ScoreTables {
  Tensor policy, reference;  // [V] log p under both
  Tensor log_sum_sq;         // [V]

  static ScoreTables some(std::int64_t vocab = 50) {
    ScoreTables tables;
    const Tensor i = at::arange(vocab, at::kDouble);
    tables.policy = -1.5 - (i * 1.7).sin() - 0.3 * (i * 0.37).cos();
    tables.reference = -1.4 - (i * 2.3).sin() * 0.9;
    tables.log_sum_sq = -1.2 - 0.5 * (i * 0.91).sin();
    return tables;
  }

  Scores scores(const TokenBatch& batch) const {
    Scores all;
    all.logp = policy.index_select(0, batch.target);
    all.entropy = all.logp.detach().neg();
    all.log_sum_sq = log_sum_sq.index_select(0, batch.target);
    return all;
  }
  Tensor ref_logps(const TokenBatch& batch) const {
    return reference.index_select(0, batch.target);
  }
};

struct LossAndGradient {
  double loss = 0.0;
  Tensor gradient;  // [V] of the policy's table
  std::vector<std::pair<std::string, double>> metrics{};
};

/// A whole step on these micro-batches, as the engine does it.
template <class Loss, class Batch>
LossAndGradient step_on(const Loss& loss, ScoreTables tables, std::vector<Batch> batches) {
  for (Batch& batch : batches) batch.ref_logps = tables.ref_logps(batch);
  Objective<Loss> objective(loss, batches);
  const auto policy = [&](const TokenBatch& batch) {
    at::NoGradGuard no_grad;
    return tables.scores(batch);
  };
  if constexpr (Objective<Loss>::gathers) {
    std::vector<Scored<Batch>> scored;
    for (const Batch& batch : batches) {
      scored.emplace_back(
          batch, [&] { return policy(batch); }, policy,
          [&](const TokenBatch& other) { return tables.ref_logps(other); });
    }
    if (objective.wants_statistics()) objective.gather(scored);
  }
  tables.policy = tables.policy.detach().clone().requires_grad_();
  LossAndGradient result;
  for (const Batch& batch : batches) {
    const Tensor share = objective.sum(tables.scores(batch), batch);
    share.backward();
    result.loss += share.template item<double>();
  }
  result.gradient = tables.policy.grad();
  result.metrics = objective.means().values();
  return result;
}

/// Central differences of `loss` in each entry of the policy's table, [V].
inline Tensor differences(const ScoreTables& tables,
                          const std::function<double(const ScoreTables&)>& loss) {
  constexpr double kStep = 1e-5;
  std::vector<double> slopes;
  for (std::int64_t i = 0; i < tables.policy.size(0); ++i) {
    const auto moved = [&](double by) {
      ScoreTables there = tables;
      there.policy = tables.policy.clone();
      there.policy[i] += by;
      return loss(there);
    };
    slopes.push_back((moved(kStep) - moved(-kStep)) / (2.0 * kStep));
  }
  return at::tensor(slopes, at::kDouble);
}

}  // namespace posttrain::test
