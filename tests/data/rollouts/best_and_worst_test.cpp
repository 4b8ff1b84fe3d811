// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/best_and_worst.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;
using data::BestAndWorst;

namespace {

/// Samples of two ids, from 10 · their index on.
RolloutGroup group_of(const std::vector<std::optional<double>>& rewards) {
  RolloutGroup group;
  group.prompt = {1, 2, 3};
  group.sample = 5;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    group.samples.push_back(some_sample(2, static_cast<TokenId>(10 * i), rewards[i]));
  }
  return group;
}

}  // namespace

TEST_CASE("The best sample of a group is chosen over its worst, the first of equals",
          "[data][rollouts]") {
  const auto pairs = BestAndWorst::items(group_of({0.5, 1.0, 0.0, 1.0, 0.0}));
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].prompt == TokenIds{1, 2, 3});
  CHECK(pairs[0].chosen.ids == TokenIds{10, 11});
  CHECK(pairs[0].rejected.ids == TokenIds{20, 21});
  CHECK(pairs[0].chosen.weights == std::vector<float>{1.0F, 1.0F});
  CHECK(pairs[0].sample == 5);
  CHECK(pairs[0].margin == 0.0F);
  CHECK(PairKind::counted(pairs[0]) == 4);
}

TEST_CASE("Samples without a reward or an id are in no pair", "[data][rollouts]") {
  RolloutGroup group = group_of({std::nullopt, 3.0, 0.25, 0.75, -1.0});
  group.samples[1] = some_sample(0, 0, 3.0);
  group.samples[4].sampled = {0, 0};
  const auto pairs = BestAndWorst::items(group);
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].chosen.ids == TokenIds{30, 31});
  CHECK(pairs[0].rejected.ids == TokenIds{20, 21});
}

TEST_CASE("Without two different rewards there is no pair", "[data][rollouts]") {
  for (const auto& rewards : std::vector<std::vector<std::optional<double>>>{
           {}, {1.0}, {0.1, 0.1, 0.1}, {std::nullopt, 1.0}, {std::nullopt, std::nullopt}}) {
    CHECK(BestAndWorst::items(group_of(rewards)).empty());
  }
  // Rewards are compared as they are: a difference of rounding is one.
  CHECK(BestAndWorst::items(group_of({0.1 + 0.2, 0.3})).size() == 1);
}

TEST_CASE("Ties and the margin of rewards are measured over a rollout", "[data][rollouts]") {
  Rollout rollout;
  rollout.groups = {group_of({1.0, 0.0}), group_of({1.0, 1.0}), group_of({0.5, 0.0, 0.25})};
  CHECK(BestAndWorst::measure(rollout) ==
        data::Metrics{{"pairs/ties", 1.0}, {"pairs/reward_margin", 0.75}});
  rollout.groups = {group_of({1.0, 1.0})};
  CHECK(BestAndWorst::measure(rollout) == data::Metrics{{"pairs/ties", 1.0}});
}
