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
