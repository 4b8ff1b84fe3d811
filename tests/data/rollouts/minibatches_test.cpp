// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/minibatches.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("Every pass over a rollout has each group once, in an order of its own",
          "[data][rollouts]") {
  std::set<std::vector<std::size_t>> orders;
  for (const std::int64_t iteration : {0, 1, 2}) {
    for (const std::int64_t number : {0, 1}) {
      const auto steps = data::minibatches(10, 4, 7, number, iteration);
      REQUIRE(steps.size() == 3);
      std::vector<std::size_t> order;
      for (const auto& step : steps) order.insert(order.end(), step.begin(), step.end());
      orders.insert(order);
      std::sort(order.begin(), order.end());
      for (std::size_t i = 0; i < 10; ++i) CHECK(order[i] == i);
      CHECK(steps == data::minibatches(10, 4, 7, number, iteration));
    }
  }
  CHECK(orders.size() == 6);
  CHECK(data::minibatches(0, 4, 7, 0, 0) == std::vector<std::vector<std::size_t>>{{}});
}

TEST_CASE("A group that fits stays in one micro-batch, and a larger one is cut",
          "[data][rollouts]") {
  const Rollout rollout = some_rollout(3, 4);  // 3 + 1 + 2 + 3 + 4 tokens each
  const Advantages advantages = some_advantages(rollout);
  const std::vector<std::size_t> all{2, 0, 1};
  const auto whole = data::step_batches(rollout, advantages, all, {}, 26);
  CHECK(whole.split_groups == 0);
  REQUIRE(whole.batches.size() == 2);
  CHECK(whole.batches[0].tokens() == 26);
  CHECK(whole.batches[1].tokens() == 13);
  CHECK(whole.batches[0].counted + whole.batches[1].counted == 30.0);

  const auto cut = data::step_batches(rollout, advantages, all, {}, 9);
  CHECK(cut.split_groups == 3);
  std::int64_t predictions = 0;
  double counted = 0.0;
  for (const RolloutBatch& batch : cut.batches) {
    CHECK(batch.tokens() <= 9);
    predictions += batch.predictions();
    counted += batch.counted;
  }
  CHECK(predictions == 30);
  CHECK(counted == 30.0);
  CHECK_THROWS_WITH(data::step_batches(rollout, advantages, all, {}, 6),
                    Catch::Contains("does not fit max_tokens_per_batch = 6"));
}

TEST_CASE("Scores find their way back to the ids that were sampled", "[data][rollouts]") {
  Rollout rollout = some_rollout(2, 3);
  rollout.groups[1].samples[2].sampled = {1, 0, 1};
  for (const data::ScoringBatch& scoring : data::scoring_batches(rollout, 100)) {
    data::keep_scores(scoring, &RolloutSample::old_logps, scoring.batch.target.to(at::kFloat));
  }
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      REQUIRE(sample.old_logps.size() == sample.ids.size());
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        CHECK(sample.old_logps[i] ==
              (sample.sampled[i] != 0 ? static_cast<float>(sample.ids[i]) : 0.0F));
      }
    }
  }
}
