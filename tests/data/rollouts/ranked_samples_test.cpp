// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/ranked_samples.hpp"

#include <optional>
#include <vector>

#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("Samples come by their rewards, equal ones as they stand", "[data][rollouts]") {
  RolloutGroup group;
  group.samples = {some_sample(1, 10, 0.5), some_sample(1, 11, std::nullopt),
                   some_sample(1, 12, 2.0), some_sample(0, 13, 3.0),
                   some_sample(1, 14, 0.5), some_sample(1, 15, 2.0)};
  RolloutSample& said_by_a_tool = group.samples.emplace_back(some_sample(1, 16, 9.0));
  said_by_a_tool.sampled = {0};
  std::vector<TokenId> ids;
  for (const RolloutSample* sample : data::ranked_samples(group)) ids.push_back(sample->ids[0]);
  CHECK(ids == std::vector<TokenId>{12, 15, 10, 14});
  CHECK(data::ranked_samples({}).empty());
}

TEST_CASE("Of a completion sampled ids are trained, the others read", "[data][rollouts]") {
  RolloutGroup group;
  group.sample = 7;
  RolloutSample sample = some_sample(3, 4, 1.0);
  sample.sampled = {1, 0, 1};
  const Sequence completion = data::completion_of(group, sample);
  CHECK(completion.ids == TokenIds{4, 5, 6});
  CHECK(completion.weights == std::vector<float>{1.0F, 0.0F, 1.0F});
  CHECK(completion.sample == 7);
}
