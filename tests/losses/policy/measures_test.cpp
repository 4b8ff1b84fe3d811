// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/measures.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("metrics are means over the trained tokens of the step", "[losses][measures]") {
  using Loss = PolicyLoss<Clip, TokenRatio, Kl>;
  const Loss loss;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient step = step_on(loss, tables, packed(items, {4}));
  double tokens = 0.0, entropy = 0.0, ratio = 0.0, most = 0.0, low = 0.0, high = 0.0, kl = 0.0;
  double difference = 0.0, largest = 0.0;
  for (const PolicyNumbers& sample : policy_numbers(items, tables)) {
    for (std::size_t t = 0; t < sample.size(); ++t) {
      const double w = sample.ratio(t), d = sample.logp[t] - sample.ref[t];
      tokens += 1.0;
      entropy -= sample.logp[t];
      ratio += w;
      most = std::max(most, w);
      low += w < 0.8 && sample.advantage[t] < 0.0;
      high += w > 1.2 && sample.advantage[t] > 0.0;
      kl += std::exp(-d) + d - 1.0;
    }
  }
  for (const RolloutItem& item : items) {
    for (std::size_t i = 0; i < item.sample->ids.size(); ++i) {
      if (item.sample->sampled[i] == 0) continue;
      const double one = std::abs(item.sample->old_logps[i] - item.sample->sampled_logps[i]);
      difference += one;
      largest = std::max(largest, one);
    }
  }
  CHECK(largest > 0.0);
  CHECK(metric(step, "sampling/sampling_logp_difference/mean") == Approx(difference / tokens));
  CHECK(metric(step, "sampling/sampling_logp_difference/max") == Approx(largest));
  CHECK(low > 0.0);
  CHECK(high > 0.0);
  CHECK(metric(step, "entropy") == Approx(entropy / tokens));
  CHECK(metric(step, "ratio/mean") == Approx(ratio / tokens));
  CHECK(metric(step, "ratio/max") == Approx(most));
  CHECK(metric(step, "ratio/clamped") == 0.0);
  CHECK(metric(step, "clip_ratio/low_mean") == Approx(low / tokens));
  CHECK(metric(step, "clip_ratio/high_mean") == Approx(high / tokens));
  CHECK(metric(step, "clip_ratio/region_mean") == Approx((low + high) / tokens));
  CHECK(metric(step, "kl") == Approx(kl / tokens));
}

TEST_CASE("the extremes of clipping are those of the step's samples, whatever its split",
          "[losses][measures]") {
  const PolicyLoss<> loss{.term = {.low = 0.05, .high = 0.05}};
  Rollout rollout = some_rollout();
  // Every sample has a token below the bound and an advantage below 0, so that the least share is
  // not 0; but the second group's second sample has one above 0: nothing of it is clipped below.
  Advantages advantages = loss.advantages(rollout);
  const ScoreTables tables = ScoreTables::some();
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    for (std::size_t s = 0; s < rollout.groups[g].samples.size(); ++s) {
      RolloutSample& sample = rollout.groups[g].samples[s];
      const float sign = g == 1 && s == 1 ? 1.0F : -1.0F;
      for (float& advantage : advantages[g][s].advantage) advantage = sign;
      sample.old_logps[0] = tables.policy[sample.ids[0]].item<float>() + 1.0F;
    }
  }
  const auto extremes = [&](const std::vector<std::size_t>& order) {
    const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, order);
    std::pair<double, double> found{1.0, 0.0};
    for (const PolicyNumbers& sample : policy_numbers(items, tables)) {
      double low = 0.0, high = 0.0;
      for (std::size_t t = 0; t < sample.size(); ++t) {
        low += sample.ratio(t) < 0.95 && sample.advantage[t] < 0.0;
        high += sample.ratio(t) > 1.05 && sample.advantage[t] > 0.0;
      }
      const auto tokens = static_cast<double>(sample.size());
      found = {std::min(found.first, low / tokens), std::max(found.second, high / tokens)};
    }
    for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{}, {1, 1, 2}, {3}}) {
      const LossAndGradient step = step_on(loss, tables, packed(items, sizes));
      CHECK(metric(step, "clip_ratio/low_min") == Approx(found.first).epsilon(1e-12));
      CHECK(metric(step, "clip_ratio/high_max") == Approx(found.second).epsilon(1e-12));
    }
    // The head calls a row-local loss on slices, which cut samples.
    MetricMeans means;
    const RolloutBatch whole = packed(items, {})[0];
    for (std::int64_t begin = 0; begin < whole.predictions(); begin += 5) {
      const RolloutBatch part = whole.slice(begin, std::min(begin + 5, whole.predictions()));
      loss.measure(tables.scores(part), part, means);
    }
    const LossAndGradient sliced{0.0, {}, means.values()};
    CHECK(metric(sliced, "clip_ratio/low_min") == Approx(found.first).epsilon(1e-12));
    CHECK(metric(sliced, "clip_ratio/high_max") == Approx(found.second).epsilon(1e-12));
    return found;
  };
  CHECK(extremes({0, 2, 3}).first > 0.0);
  CHECK(extremes({0, 2, 3}).second == 0.0);
  CHECK(extremes({0, 1, 2, 3}).first == 0.0);
  CHECK(extremes({0, 1, 2, 3}).second > 0.0);
  CHECK(extremes({0, 1, 2, 3}).second < 1.0);
}

TEST_CASE("weights by importance are measured where they are known", "[losses][measures]") {
  const Rollout rollout = some_rollout();
  const PolicyLoss<> loss;
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {});
  batches[0].importance = at::full({batches[0].predictions()}, 0.5, at::kFloat);
  const LossAndGradient step = step_on(loss, ScoreTables::some(), batches);
  for (const char* what : {"min", "mean", "max"}) {
    CHECK(metric(step, std::string("sampling/importance_sampling_ratio/") + what) == Approx(0.5));
  }
  CHECK(metric(step, "sampling/effective_sample_size") == Approx(1.0));
}

TEST_CASE("before the first update the old policy is the current one, also beside what was drawn",
          "[losses][measures]") {
  const Rollout rollout = some_rollout();
  const PolicyLoss<> loss;
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches = packed(items_of(loss, rollout, advantages, {1}), {});
  const ScoreTables tables = ScoreTables::some();
  const Tensor drawn = tables.policy.index_select(0, batches[0].target.to(at::kLong));
  batches[0].old_logps = Tensor();
  batches[0].sampled_logps = (drawn - 0.25).to(at::kFloat);
  const LossAndGradient step = step_on(loss, tables, batches);
  CHECK(metric(step, "sampling/sampling_logp_difference/mean") == Approx(0.25));
  batches[0].sampled_logps = Tensor();
  for (const auto& entry : step_on(loss, tables, batches).metrics) {
    CHECK_FALSE(entry.first.starts_with("sampling/"));
  }
}
