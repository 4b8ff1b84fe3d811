// SPDX-License-Identifier: Apache-2.0
// Numbers that a loss wants of a rollout beside rewards, by training's kernels and once for each
// rollout: log-probabilities of the policy before any update, of its reference, Σ p², a critic's
// values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/minibatches.hpp"
#include "posttrain/distributed/shared_work.hpp"

namespace posttrain::data {

/// `updates`: optimizer steps on the rollout. With one, the policy is its own old policy, and
/// nothing is scored for a ratio. Ranks share the work.
template <class View>
void score_rollout(const View& view, Rollout& rollout, std::int64_t updates,
                   std::int64_t max_tokens, Communicator* ranks = nullptr) {
  const RolloutNeeds needs = view.needs();
  const bool old_logps = needs.old_logps || (needs.ratio && updates > 1);
  if (!old_logps && !View::needs_reference && !needs.log_sum_sq && !needs.values &&
      !needs.teacher_logps) {
    return;
  }
  constexpr std::vector<float> RolloutSample::*kFields[] = {
      &RolloutSample::old_logps, &RolloutSample::values, &RolloutSample::log_sum_sq,
      &RolloutSample::teacher_logps, &RolloutSample::ref_logps};
  const std::vector<ScoringBatch> batches = scoring_batches(rollout, max_tokens, size_of(ranks));
  std::vector<double> costs;
  for (const ScoringBatch& each : batches) {
    costs.push_back(static_cast<double>(each.batch.tokens()));
  }
  const std::vector<Tensors> scored = shared_work(ranks, costs, [&](std::size_t i) {
    const RolloutBatch& batch = batches[i].batch;
    Tensors numbers(std::size(kFields));
    if (old_logps || needs.log_sum_sq || needs.values) {
      const auto scores =
          view.scores(batch, {.log_sum_sq = needs.log_sum_sq, .value = needs.values});
      if (old_logps) numbers[0] = scores.logp;
      numbers[1] = scores.value;
      numbers[2] = scores.log_sum_sq;
    }
    if (needs.teacher_logps) numbers[3] = view.teacher_logps(batch);
    if constexpr (View::needs_reference) numbers[4] = view.reference_logps(batch);
    return numbers;
  });
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (std::size_t field = 0; field < std::size(kFields); ++field) {
      if (scored[i][field].defined()) keep_scores(batches[i], kFields[field], scored[i][field]);
    }
  }
}

}  // namespace posttrain::data
