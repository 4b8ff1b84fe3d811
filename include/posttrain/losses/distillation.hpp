// SPDX-License-Identifier: Apache-2.0
// Distillation: the distance of the model's distribution from a teacher's at each trained token
// (nn/divergence.hpp), a mean over the tokens of the step:
//
//   OnPolicyDistillation{.beta = 1.0}    on what the model wrote itself (Rollouts, RolloutFile)
//   Distillation{.beta = 0.0}            on given answers (Messages, Documents, …)
//
// Generalised knowledge distillation, arXiv 2306.13649; TRL: DistillationTrainer (beta),
// GKDTrainer. Its parameters have a teacher (params/with_teacher.hpp). Whole distributions are
// compared, chunk by chunk, so no reward is needed: Unjudged (rewards/unjudged.hpp) is a verifier
// that judges nothing. A batch's temperature divides both models' logits. As a gradient of the
// sampled tokens alone: losses/distillation_gradient.hpp.
#pragma once

#include <concepts>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/policy/advantage.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/operators.hpp"

namespace posttrain {

template <class B>
struct DistillationLoss {
  using Batch = B;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = false;
  static constexpr bool needs_teacher = true;

  double beta = 1.0;  // 0: KL(teacher ‖ model), 1: KL(model ‖ teacher), between: Jensen-Shannon

  constexpr void validate() const {
    if (!(beta >= 0.0 && beta <= 1.0)) fail("posttrain: Distillation.beta must be in [0, 1]");
  }

  Need needs() const { return {.entropy = true, .divergence = beta}; }

  double count(const Batch& batch) const {
    if constexpr (std::same_as<Batch, RolloutBatch>)
      return batch.counted;
    else
      return NextToken{}.count(batch);
  }

  Tensor sum(const Scores& scores, const Batch& batch) const {
    return (scores.divergence * batch.weight).sum();
  }

  /// divergence, entropy: means over the trained tokens.
  void measure(const Scores& scores, const Batch& batch, MetricMeans& means) const {
    const Tensor trained = batch.weight.ne(0);
    const auto add = [&](const char* name, const Tensor& values) {
      means.add(name, (values * trained).sum(at::kDouble), trained.sum());
    };
    add("divergence", scores.divergence);
    add("entropy", scores.entropy);
  }

  /// Nothing but the ids.
  RolloutNeeds rollout_needs() const requires(std::same_as<B, RolloutBatch>) {
    return {.rewards = false, .ratio = false};
  }
  Advantages advantages(const Rollout& rollout) const requires(std::same_as<B, RolloutBatch>) {
    return blank_advantages(rollout);
  }
};

using Distillation = DistillationLoss<TokenBatch>;
using OnPolicyDistillation = DistillationLoss<RolloutBatch>;

}  // namespace posttrain
