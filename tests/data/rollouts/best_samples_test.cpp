// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/best_samples.hpp"

#include <optional>
#include <vector>

#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;
using data::BestSamples;

namespace {

/// Samples of one id, 10 · their index.
RolloutGroup group_of(const std::vector<std::optional<double>>& rewards) {
  RolloutGroup group;
  group.prompt = {1, 2};
  group.sample = 5;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    group.samples.push_back(some_sample(1, static_cast<TokenId>(10 * i), rewards[i]));
  }
  return group;
}

/// The last ids.
std::vector<TokenId> chosen(const BestSamples& choice,
                            const std::vector<std::optional<double>>& rewards) {
  std::vector<TokenId> ids;
  for (const Sequence& sequence : choice.items(group_of(rewards))) {
    ids.push_back(sequence.ids.back());
  }
  return ids;
}

}  // namespace

TEST_CASE("The best samples of a group are sequences whose completions are trained",
          "[data][rollouts]") {
  using Ids = std::vector<TokenId>;
  CHECK(chosen({}, {0.5, 1.0, std::nullopt, 1.0}) == Ids{10});
  CHECK(chosen({.keep = 3}, {0.5, 1.0, std::nullopt, 1.0}) == Ids{10, 30, 0});
  CHECK(chosen({.keep = 4}, {0.5, 1.0, std::nullopt, 1.0}) == Ids{10, 30, 0});
  CHECK(chosen({.keep = 3, .least_reward = 1.0}, {0.5, 1.0, std::nullopt, 1.0}) == Ids{10, 30});
  CHECK(chosen({.least_reward = 1.5}, {0.5, 1.0}).empty());
  CHECK(chosen({}, {std::nullopt}).empty());
  CHECK(chosen({}, {-3.0, -2.0}) == Ids{10});

  RolloutGroup group = group_of({1.0});
  group.samples[0] = some_sample(3, 7, 1.0);
  group.samples[0].sampled = {1, 0, 1};
  const auto sequences = BestSamples{}.items(group);
  REQUIRE(sequences.size() == 1);
  CHECK(sequences[0].ids == TokenIds{1, 2, 7, 8, 9});
  CHECK(sequences[0].weights == std::vector<float>{0.0F, 0.0F, 1.0F, 0.0F, 1.0F});
  CHECK(sequences[0].sample == 5);
}

TEST_CASE("What is kept of a rollout is measured", "[data][rollouts]") {
  Rollout rollout;
  rollout.groups = {group_of({1.0, 0.0}), group_of({std::nullopt}), group_of({0.5, 0.25})};
  CHECK(BestSamples{}.measure(rollout) == data::Metrics{{"best/sequences", 2.0},
                                                        {"best/groups_without", 1.0},
                                                        {"best/reward", 0.75}});
  CHECK(BestSamples{.least_reward = 2.0}.measure(rollout) ==
        data::Metrics{{"best/sequences", 0.0}, {"best/groups_without", 3.0}});
}
