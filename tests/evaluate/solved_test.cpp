// SPDX-License-Identifier: Apache-2.0
#include "posttrain/evaluate/solved.hpp"

#include <string>

#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/rollout_model.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("The share of prompts that are answered to a verifier's satisfaction",
          "[evaluate][rollouts]") {
  const TempFolder folder;
  const std::string prompts = folder.write("prompts.jsonl", counting_prompts(10));
  const TalkingModel model;
  const FrozenState gate = Frozen{}.attach(model);
  const auto odd = [](const Sample& sample) -> std::optional<double> {
    if (sample.answer == "7") return std::nullopt;
    return (sample.answer.back() - '0') % 2 == 1 ? 1.0 : 0.25;
  };
  const Sampling brief{.max_new_tokens = 3, .temperature = 0.0};
  const SolvedShare solved = solved_share(model, gate, prompts, odd, brief);
  CHECK(solved.asked == 10);
  CHECK(solved.solved == 4);  // 1, 3, 5, 9
  CHECK(solved.reward == Approx((4.0 + 5 * 0.25) / 9.0));
  CHECK(solved.share() == 0.4);
  CHECK(solved_share(model, gate, prompts, odd, brief, 0.25).solved == 9);
  CHECK(SolvedShare{}.share() == 0.0);
}

TEST_CASE("Prompts are solved in turns with an environment", "[evaluate][rollouts]") {
  const TempFolder folder;
  const std::string prompts = folder.write("prompts.jsonl", counting_conversations(3));
  const TalkingModel model;
  const FrozenState gate = Frozen{}.attach(model);
  const auto turns = [](const Sample& sample) {
    return static_cast<double>(sample.messages->size()) / 2.0;
  };
  Sampling brief{.max_new_tokens = 6, .temperature = 0.0};
  for (TokenId id = 0; id < 100; ++id) brief.stop_ids.push_back(id);
  const auto reward = [&](std::int64_t max_turns) {
    return solved_share(model, gate, prompts, turns, brief, 1.0, TurnCounter{}, max_turns).reward;
  };
  CHECK(reward(8) == 3.0);
  CHECK(reward(2) == 2.0);
}
