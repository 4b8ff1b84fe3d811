// SPDX-License-Identifier: Apache-2.0
// Numbers that a loss wants of a rollout beside rewards, by training's kernels and once for each
// rollout: log-probabilities of the policy before any update, of its reference, Σ p², a critic's
// values.
#pragma once

#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/minibatches.hpp"

namespace posttrain::data {

/// `updates`: optimizer steps on the rollout. With one, the policy is its own old policy, and
/// nothing is scored for a ratio.
template <class View>
void score_rollout(const View& view, Rollout& rollout, std::int64_t updates,
                   std::int64_t max_tokens) {
  const RolloutNeeds needs = view.needs();
  const bool old_logps = needs.old_logps || (needs.ratio && updates > 1);
  if (!old_logps && !View::needs_reference && !needs.log_sum_sq && !needs.values &&
      !needs.teacher_logps) {
    return;
  }
  for (const ScoringBatch& scored : scoring_batches(rollout, max_tokens)) {
    if (old_logps || needs.log_sum_sq || needs.values) {
      const auto scores =
          view.scores(scored.batch, {.log_sum_sq = needs.log_sum_sq, .value = needs.values});
      if (old_logps) keep_scores(scored, &RolloutSample::old_logps, scores.logp);
      if (needs.values) keep_scores(scored, &RolloutSample::values, scores.value);
      if (needs.log_sum_sq) keep_scores(scored, &RolloutSample::log_sum_sq, scores.log_sum_sq);
    }
    if (needs.teacher_logps) {
      keep_scores(scored, &RolloutSample::teacher_logps, view.teacher_logps(scored.batch));
    }
    if constexpr (View::needs_reference) {
      keep_scores(scored, &RolloutSample::ref_logps, view.reference_logps(scored.batch));
    }
  }
}

}  // namespace posttrain::data
