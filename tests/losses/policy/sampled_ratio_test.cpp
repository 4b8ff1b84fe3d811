// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/sampled_ratio.hpp"

#include "posttrain/losses/policy/reinforce.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

using SampledLoss = PolicyLoss<Reinforce, SampledRatio>;
static_assert(!SampledLoss::row_local);

double product(const PolicyNumbers& sample) {
  double w = 1.0;
  for (std::size_t t = 0; t < sample.size(); ++t) w *= sample.ratio(t);
  return w;
}

const auto kWeighted = of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
  return -product(now) * now.advantage[t];
});

}  // namespace

TEST_CASE("the ratio of a sample to what it was drawn from is the product of its tokens'",
          "[losses][sampled_ratio]") {
  check_policy_loss(SampledLoss{}, kWeighted);
  check_first_update(SampledLoss{});
}

TEST_CASE("weights by importance are in the ratio, and not beside it", "[losses][sampled_ratio]") {
  // Where they are cut nowhere, the old policy drops out: w is to the distribution drawn from.
  SampledLoss loss;
  loss.importance = {.level = ImportanceLevel::token, .high = 1e9};
  Rollout drawn = some_rollout();
  const Rollout rollout = drawn;
  for (RolloutGroup& group : drawn.groups) {
    for (RolloutSample& sample : group.samples) sample.old_logps = sample.sampled_logps;
  }
  const ScoreTables tables = ScoreTables::some();
  const auto step = [&](const SampledLoss& of, const Rollout& on) {
    const Advantages advantages = of.advantages(on);
    return step_on(of, tables, packed(items_of(of, on, advantages, {0, 1, 2, 3}), {2}));
  };
  const LossAndGradient weighted = step(loss, rollout), plain = step(SampledLoss{}, drawn);
  CHECK(step(SampledLoss{}, rollout).loss != Approx(plain.loss));
  CHECK(weighted.loss == Approx(plain.loss).epsilon(1e-6));
  CHECK(largest(weighted.gradient - plain.gradient) < 1e-6 * largest(plain.gradient));
}

TEST_CASE("bounds of the weights are those of the tokens in the ratio", "[losses][sampled_ratio]") {
  SampledLoss loss;
  loss.importance = {.level = ImportanceLevel::token, .low = 0.9, .high = 1.1};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const ScoreTables tables = ScoreTables::some();
  const std::vector<PolicyNumbers> numbers = policy_numbers(items, tables);
  double sum = 0.0, tokens = 0.0;
  bool cut = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    double w = product(numbers[i]);
    for (std::size_t j = 0; j < items[i].sample->ids.size(); ++j) {
      if (items[i].sample->sampled[j] == 0) continue;
      const double weight = items[i].advantage->importance[j];
      cut = cut || weight == 1.1F;
      w *= weight;
    }
    for (const double advantage : numbers[i].advantage) sum -= w * advantage;
    tokens += static_cast<double>(numbers[i].size());
  }
  CHECK(cut);
  CHECK(step_on(loss, tables, packed(items, {3})).loss == Approx(sum / tokens).epsilon(1e-6));
}

TEST_CASE("a token that importance masks takes its sample out", "[losses][sampled_ratio]") {
  const SampledLoss loss;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches = packed(items_of(loss, rollout, advantages, {1}), {});
  RolloutBatch& batch = batches[0];
  const ScoreTables tables = ScoreTables::some();
  batch.importance = at::ones({batch.predictions()}, at::kFloat);
  batch.importance[0] = 0.0;
  const LossAndGradient masked = step_on(loss, tables, batches);
  CHECK(masked.gradient.isfinite().all().item<bool>());
  batch.weight = batch.weight * batch.step_sample.ne(batch.step_sample[0]);
  batch.importance = Tensor();
  const LossAndGradient without = step_on(loss, tables, batches);
  CHECK(largest(without.gradient) > 1e-2);
  CHECK(largest(masked.gradient - without.gradient) < 1e-8);
}
