// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/rollout_metrics.hpp"

#include <cmath>
#include <map>
#include <string>

#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::map<std::string, double> by_name(const data::Metrics& metrics) {
  return {metrics.begin(), metrics.end()};
}

}  // namespace

TEST_CASE("A rollout's metrics are TRL's", "[data][rollouts]") {
  Rollout rollout = some_rollout(2, 4);  // rewards 0 1 0 1, lengths 1 2 3 4
  for (RolloutSample& sample : rollout.groups[1].samples)
    sample.reward = sample.scores[0] = 0.1 + 0.2;
  rollout.groups[0].samples[3].finish = FinishReason::length;
  auto metrics = by_name(data::rollout_metrics(rollout, {.generate_seconds = 2.0,
                                                         .verify_seconds = 0.5,
                                                         .update_seconds = 1.5,
                                                         .sampled_tokens = 20,
                                                         .passes = 4,
                                                         .rows = 14,
                                                         .prompts = 2,
                                                         .rounds = 1}));
  CHECK(metrics["reward"] == Approx((2.0 + 4 * 0.3) / 8.0));
  CHECK(metrics["reward_std"] == Approx(std::sqrt((2 * 0.16 + 2 * 0.36 + 4 * 0.01) / 7.0)));
  CHECK(metrics["frac_reward_zero_std"] == 0.5);
  CHECK(metrics["rewards/Even/mean"] == metrics["reward"]);
  CHECK(metrics["completions/mean_length"] == 2.5);
  CHECK(metrics["completions/max_length"] == 4.0);
  CHECK(metrics["completions/max_terminated_length"] == 4.0);
  CHECK(metrics["completions/mean_terminated_length"] == Approx(16.0 / 7.0));
  CHECK(metrics["completions/clipped_ratio"] == 0.125);
  CHECK(metrics["rollout/tokens_per_second"] == 10.0);
  CHECK(metrics["rollout/live_rows"] == 3.5);
  CHECK(metrics["rollout/generate_share"] == 0.5);
  CHECK(metrics["rollout/verify_share"] == 0.125);
  CHECK(metrics["rollout/score_share"] == 0.0);
  CHECK(metrics["rollout/update_share"] == 0.375);
  CHECK(metrics["rollout/update_seconds"] == 1.5);
}

TEST_CASE("What nobody judged does not count", "[data][rollouts]") {
  Rollout rollout = some_rollout(1, 4);
  rollout.groups[0].samples[0].reward = rollout.groups[0].samples[0].scores[0] = std::nullopt;
  CHECK(by_name(data::rollout_metrics(rollout, {}))["reward"] == Approx(2.0 / 3.0));
  for (RolloutSample& sample : rollout.groups[0].samples) {
    sample.reward = sample.scores[0] = std::nullopt;
  }
  CHECK(by_name(data::rollout_metrics(rollout, {})).count("reward") == 0);
  CHECK(data::pass_metrics(rollout, 1.0).empty());
}

TEST_CASE("A group's mean reward is that of its judged samples", "[data][rollouts]") {
  RolloutGroup group = some_rollout(1, 4).groups[0];  // 0, 1, 0, 1
  CHECK(data::mean_reward(group) == 0.5);
  group.samples[0].reward = std::nullopt;
  CHECK(data::mean_reward(group).value() == Approx(2.0 / 3.0));
  for (RolloutSample& sample : group.samples) sample.reward = std::nullopt;
  CHECK(data::mean_reward(group) == std::nullopt);
}

TEST_CASE("Turns are runs of ids that the policy drew, replies those between them",
          "[data][rollouts]") {
  Rollout rollout = some_rollout(1, 4);  // lengths 1 2 3 4
  auto& samples = rollout.groups[0].samples;
  samples[1].sampled = {1, 0};
  samples[2].sampled = {1, 0, 1};
  samples[3].sampled = {1, 0, 0, 1};
  auto metrics = by_name(data::turn_metrics(rollout, {.replies = 4, .failed_replies = 1}));
  CHECK(metrics["turns/mean"] == 6.0 / 4.0);
  CHECK(metrics["tools/call_frequency"] == 3.0 / 4.0);
  CHECK(metrics["tools/failure_frequency"] == 0.25);
  CHECK(by_name(data::turn_metrics(rollout, {})).count("tools/failure_frequency") == 0);
  // What was read is no length of a completion.
  CHECK(by_name(data::rollout_metrics(rollout, {}))["completions/max_length"] == 2.0);
}

TEST_CASE("pass@k is the chance that one of k samples is right", "[data][rollouts]") {
  Rollout rollout = some_rollout(2, 4);  // two of four are right
  for (RolloutSample& sample : rollout.groups[1].samples) sample.reward = 0.5;
  auto metrics = by_name(data::pass_metrics(rollout, 1.0));
  CHECK(metrics["reward"] == 0.5);
  CHECK(metrics["pass@1"] == Approx(0.5 / 2.0));
  CHECK(metrics["pass@2"] == Approx((1.0 - 1.0 / 6.0) / 2.0));  // both of two wrong: 1 of 6 pairs
  CHECK(metrics["pass@4"] == 0.5);
  CHECK(by_name(data::pass_metrics(rollout, 0.5))["pass@1"] == 0.75);
}
