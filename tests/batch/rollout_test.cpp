// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/rollout.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a sample counts what it sampled, and is truncated by its finish alone", "[rollout]") {
  RolloutSample sample;
  sample.ids = {5, 6, 7};
  sample.sampled = {1, 0, 1};
  CHECK(sample.trained_tokens() == 2);
  CHECK(!sample.truncated());
  sample.finish = FinishReason::stop_string;
  CHECK(!sample.truncated());
  sample.finish = FinishReason::length;
  CHECK(sample.truncated());
}

TEST_CASE("a rollout counts the samples of all prompts", "[rollout]") {
  Rollout rollout;
  CHECK(rollout.samples() == 0);
  rollout.groups.resize(2);
  rollout.groups[0].samples.resize(3);
  rollout.groups[1].samples.resize(1);
  CHECK(rollout.samples() == 4);
  Rollout other = rollout;
  CHECK(other == rollout);
  other.groups[1].greedy_reward = 0.5;
  CHECK(!(other == rollout));
}
