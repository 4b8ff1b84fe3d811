// SPDX-License-Identifier: Apache-2.0
// The policy as a stream that rolls out sees it (data/rollouts.hpp): what samples, what scores, and
// what the loss makes of rewards. It refers to the run's parts and lives for one call.
#pragma once

#include <cstdint>

#include "posttrain/batch/rollout.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/trainer/scorer.hpp"

namespace posttrain {

template <class Model, class State, class Loss>
class PolicyView {
 public:
  using Batch = typename Loss::Batch;
  /// Whether the loss compares with a reference.
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();

  PolicyView(const Model& model, const State& state, const Loss& loss, const Options& options,
             std::int64_t step)
      : model_(model), state_(state), loss_(loss), options_(options), step_(step) {}

  const Model& model() const { return model_; }
  const State& gate() const { return state_; }
  /// How often weights were published.
  std::uint64_t version() const { return weights_version(state_); }
  std::int64_t step() const { return step_; }  // optimizer steps done
  std::uint64_t seed() const { return options_.seed; }

  /// By the loss, over a whole rollout.
  Advantages advantages(const Rollout& rollout) const { return loss_.advantages(rollout); }
  RolloutNeeds needs() const { return loss_.rollout_needs(); }

  /// Scores of the current weights by training's kernels, without dropout and without a graph.
  Scores scores(const Batch& batch, Need need = {}) const {
    return scorer().scores_of(batch, need);
  }
  /// log p under the reference, [P].
  Tensor reference_logps(const Batch& batch) const requires(needs_reference) {
    return scorer().reference_logps(batch);
  }
  /// log p under the teacher, [P]; an error where the parameters have none.
  Tensor teacher_logps(const Batch& batch) const {
    if constexpr (HasTeacher<State>) return scorer().teacher_logps(batch);
    fail("expected parameters with a teacher, got none; hint: WithTeacher");
  }

 private:
  Scorer<Model, const State, Loss> scorer() const {
    return {model_, state_, loss_, options_, step_};
  }

  const Model& model_;
  const State& state_;
  const Loss& loss_;
  const Options& options_;
  std::int64_t step_;
};

}  // namespace posttrain
