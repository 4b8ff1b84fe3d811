// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/rollout_lines.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/io/json.hpp"
#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RolloutGroup read(const std::string& text) {
  return data::rollout_group_from(io::parse_json(text, "line"), "file:3");
}

}  // namespace

TEST_CASE("A group of samples is what it was after a line of JSON", "[data][rollouts]") {
  RolloutGroup group = some_rollout(1, 3).groups[0];
  RolloutSample& odd = group.samples[1];
  odd.sampled = {0, 1};
  odd.old_logps = {std::nextafter(-0.1F, 0.0F), -1e-30F};
  odd.ref_logps = {-3.0F, -0.3F};
  odd.log_sum_sq = {-0.7F, -1.7F};
  odd.values = {0.1F, 0.2F};
  odd.reward = 1.0 / 3.0;
  odd.scores = {1.0 / 3.0, std::nullopt};
  odd.finish = FinishReason::length;
  odd.text = "né\"\n";
  odd.parsed = "3";
  odd.reason = "equal";
  odd.support = {{2, 3, 9}, {0, 3}};
  group.samples[2].reward = std::nullopt;
  group.samples[2].finish = FinishReason::environment;
  group.greedy_reward = 0.1;
  CHECK(read(data::to_json(group).dump()) == group);
}

TEST_CASE("What is left out of a line has its default", "[data][rollouts]") {
  const RolloutGroup group = read(R"({"prompt_ids": [5], "samples": [{"ids": [1, 2]}]})");
  CHECK(group.sample == -1);
  CHECK(group.samples[0].sampled == std::vector<std::uint8_t>{1, 1});
  CHECK(group.samples[0].finish == FinishReason::stop_id);
  CHECK_FALSE(group.samples[0].reward.has_value());
}

TEST_CASE("A line that is no group is an error that says where and why", "[data][rollouts]") {
  const auto refuses = [](const std::string& text, const std::string& part) {
    CHECK_THROWS_WITH(read(text), Catch::StartsWith("file:3: ") && Catch::Contains(part));
  };
  refuses("[]", "an object");
  refuses(R"({"samples": []})", "prompt_ids");
  refuses(R"({"prompt_ids": [], "samples": []})", "at least one id");
  refuses(R"({"prompt_ids": [1], "samples": [], "rewards": 1})", "found \"rewards\"");
  refuses(R"({"prompt_ids": [1.5], "samples": []})", "an integer");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1, 2], "old_logps": [0.5]}]})",
          "expected 2 numbers under \"old_logps\"");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "sampled": [2]}]})", "from 0 to 1");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1, 2], "support": [[1]]}]})",
          "expected 2 numbers under \"support\"");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "support": [[0, 2]]}]})",
          "the drawn id 1 among the ids of its \"support\"");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "support": [[1, 1]]}]})",
          "found one twice");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "support": [1]}]})", "support");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "finish": "tired"}]})", "\"tired\"");
  refuses(R"({"prompt_ids": [1], "samples": [{"ids": [1], "reward": "1"}]})", "a number");
}
