// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/importance.hpp"

#include <algorithm>
#include <cmath>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// One sample of these log-ratios π_old / π_sampled; a tool's token stands between them.
Rollout rollout_of(const std::vector<double>& log_ratios) {
  RolloutSample sample;
  for (std::size_t i = 0; i < log_ratios.size(); ++i) {
    sample.ids.push_back(static_cast<TokenId>(i));
    sample.sampled.push_back(1);
    sample.sampled_logps.push_back(-1.0F);
    sample.old_logps.push_back(static_cast<float>(-1.0 + log_ratios[i]));
  }
  sample.ids.push_back(9);
  sample.sampled.push_back(0);
  sample.sampled_logps.push_back(0.0F);
  sample.old_logps.push_back(-30.0F);
  Rollout rollout;
  rollout.groups.emplace_back();
  rollout.groups[0].prompt = {1};
  rollout.groups[0].sample = 3;
  rollout.groups[0].samples = {sample};
  return rollout;
}

std::vector<float> weights(const Rollout& rollout, const ImportanceCorrection& correction) {
  correction.validate();
  Advantages all = blank_advantages(rollout);
  weigh_importance(rollout, correction, all);
  return all[0][0].importance;
}

}  // namespace

TEST_CASE("weights of tokens are cut to their bounds, or masked beyond them",
          "[losses][importance]") {
  const Rollout rollout = rollout_of({0.0, std::log(1.5), std::log(3.0), std::log(0.2)});
  const auto check = [](const std::vector<float>& got, const std::vector<double>& expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(got[i] == Approx(expected[i]));
  };
  check(weights(rollout, {.level = ImportanceLevel::token}), {1.0, 1.5, 2.0, 0.2});
  check(weights(rollout, {.level = ImportanceLevel::token, .low = 0.5}), {1.0, 1.5, 2.0, 0.5});
  check(
      weights(
          rollout,
          {.level = ImportanceLevel::token, .beyond = BeyondBounds::mask, .low = 0.5, .high = 5.0}),
      {1.0, 1.5, 3.0, 0.0});
  CHECK(weights(rollout, {}).empty());
}

TEST_CASE("the weight of a sample is of its mean, at every length", "[losses][importance]") {
  for (const std::size_t length : {10, 1000}) {
    const Rollout rollout = rollout_of(std::vector<double>(length, 0.012));
    for (const BeyondBounds beyond : {BeyondBounds::truncate, BeyondBounds::mask}) {
      const auto got =
          weights(rollout, {.level = ImportanceLevel::sequence, .beyond = beyond, .high = 1.1});
      CHECK(got.front() == Approx(std::exp(0.012)).epsilon(1e-5));
      CHECK(got[length - 1] == got.front());
    }
  }
}

TEST_CASE("the loss weighs tokens by importance, and counts effective samples",
          "[losses][importance]") {
  PolicyLoss<> loss;
  loss.importance = {.level = ImportanceLevel::token, .low = 0.5, .high = 1.2};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const RolloutSample& sample = rollout.groups[1].samples[0];
  for (std::size_t i = 0; i < sample.ids.size(); ++i) {
    if (sample.sampled[i] == 0) continue;
    const double rho = std::exp(sample.old_logps[i] - sample.sampled_logps[i]);
    CHECK(advantages[1][0].importance[i] == Approx(std::clamp(rho, 0.5, 1.2)));
  }
  double sum = 0.0, squares = 0.0, tokens = 0.0, least = 2.0;
  const auto batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {3});
  for (const RolloutBatch& batch : batches) {
    sum += batch.importance.sum().item<double>();
    squares += square(batch.importance).sum().item<double>();
    tokens += static_cast<double>(batch.predictions());
    least = std::min(least, batch.importance.min().item<double>());
  }
  const LossAndGradient step = step_on(loss, ScoreTables::some(), batches);
  CHECK(metric(step, "sampling/importance_sampling_ratio/min") == Approx(least));
  CHECK(metric(step, "sampling/importance_sampling_ratio/mean") == Approx(sum / tokens));
  CHECK(metric(step, "sampling/importance_sampling_ratio/max") == Approx(1.2));
  CHECK(metric(step, "sampling/effective_sample_size") ==
        Approx(sum * sum / (tokens * squares)).epsilon(1e-6));
  CHECK(effective_share(rollout, advantages) ==
        Approx(sum * sum / (tokens * squares)).epsilon(1e-6));
  CHECK(effective_share(rollout, blank_advantages(rollout)) == Approx(1.0));
}

TEST_CASE("importance without log-probabilities is an error with the prompt's index",
          "[losses][importance]") {
  Rollout rollout = rollout_of({0.0, 0.1});
  rollout.groups[0].samples[0].sampled_logps.clear();
  CHECK_THROWS_WITH(weights(rollout, {.level = ImportanceLevel::token}),
                    Catch::Contains("prompt 3: weights by importance need log p of each id under "
                                    "the distribution that it was drawn from"));
  CHECK_THROWS_WITH((ImportanceCorrection{.high = 0.5}.validate()), Catch::Contains(".high"));
}
