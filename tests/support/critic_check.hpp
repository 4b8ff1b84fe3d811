// SPDX-License-Identifier: Apache-2.0
// The loss of an actor with a critic as a function of all trained parameters, and the derivative of
// it along a direction, by the library and by differences.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "posttrain/losses/ppo.hpp"
#include "posttrain/trainer/scorer.hpp"
#include "support/catch.hpp"
#include "support/slope.hpp"
#include "support/some_rollout.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

/// Two prompts with three answers, scored by an earlier policy and critic.
inline Rollout criticised_rollout() {
  Rollout rollout = some_rollout(2, 3);
  rollout.temperature = 0.8;
  for (RolloutGroup& group : rollout.groups) {
    for (RolloutSample& sample : group.samples) {
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        const double x = static_cast<double>(sample.ids[i]) + static_cast<double>(i);
        sample.old_logps.push_back(static_cast<float>(-3.5 + std::sin(x)));
        sample.ref_logps.push_back(static_cast<float>(-3.4 + std::cos(x)));
        sample.values.push_back(static_cast<float>(0.3 * std::sin(2 * x)));
      }
    }
  }
  return rollout;
}

template <class Loss, class State>
double loss_of(const Scorer<models::Decoder, State, Loss>& scorer, const Loss& loss,
               const std::vector<RolloutBatch>& batches) {
  double sum = 0.0, count = 0.0;
  for (const RolloutBatch& batch : batches) {
    sum += loss.sum(scorer.scores_of(batch, loss.needs()), batch.to(test_device()), {})
               .template item<double>();
    count += loss.count(batch);
  }
  return sum / count;
}

/// Every trained number, the critic's among them, is moved along a fixed direction. Two
/// micro-batches, whose sum is the step.
template <class Params>
void check_critic_gradients(const models::Decoder& model, const Params& params) {
  const Ppo loss{.value_coefficient = 0.7};
  const Options options;
  auto state = params.attach(model);
  {  // away from where the critic says nothing and adapters do nothing
    at::NoGradGuard no_grad;
    std::int64_t seed = 0;
    for (ParameterGroup& group : state.trainable()) {
      group.master.add_((at::arange(group.master.numel(), group.master.options()) + ++seed).sin(),
                        0.02);
    }
    state.publish();
  }
  const Rollout rollout = criticised_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches;
  for (std::size_t g = 0; g < 2; ++g) {
    std::vector<const RolloutGroup*> group{&rollout.groups[g]};
    std::vector<const std::vector<SampleAdvantage>*> of_group{&advantages[g]};
    batches.push_back(
        pack_rollout(rollout_items(group, of_group, loss.rollout_needs()), rollout.temperature));
  }
  using State = decltype(state);
  const Scorer<models::Decoder, State, Ppo> scorer(model, state, loss, options, 0);
  zero_gradients(state);
  const Objective<Ppo> objective(loss, batches);
  for (const RolloutBatch& batch : scorer.prepared(batches)) scorer.backward(batch, objective);

  const double slope = check_slope(state, [&] { return loss_of(scorer, loss, batches); });
  CHECK(std::abs(slope) > 1e-3);
}

}  // namespace posttrain::test
