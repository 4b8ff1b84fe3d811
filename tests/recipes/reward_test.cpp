// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/reward.hpp"

#include <cmath>
#include <string>

#include "posttrain/hub/reward_model.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeRun trained(RecipeFolder& folder, RewardOptions options, const std::string& data) {
  options.model_path = folder.model();
  options.data_path = folder.write("data.jsonl", data);
  options.effective_batch_size = 4;
  options.learning_rate = 1e-3;
  options.max_steps = 2;
  options.progress = false;
  return folder.run(options, [](const RewardOptions& o) { return reward(o); });
}

std::string some_preferences() {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"prompt": "How many? )" + n + R"(", "chosen": "I have )" + n +
            R"( apples.", "rejected": "No idea."})" + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("reward trains a reward model on pairs", "[recipes][reward]") {
  RecipeFolder folder;
  const RecipeRun run = trained(folder, {}, some_preferences());
  REQUIRE(run.error.empty());
  CHECK(run.losses()[1] < run.losses()[0]);
  CHECK_NOTHROW(hub::RewardModel(run.result.model));
  const RecipeRun adapters = trained(folder, {.lora_r = 2}, some_preferences());
  REQUIRE(adapters.error.empty());
  CHECK(std::filesystem::exists(adapters.result.model + "/adapter_model.safetensors"));
}

TEST_CASE("reward trains on solutions in steps", "[recipes][reward]") {
  RecipeFolder folder;
  const std::string steps =
      R"({"prompt": "2 + 3 + 4?", "completions": ["2 + 3 = 5", "5 + 4 = 8"], "labels": [true, false]})"
      "\n"
      R"({"prompt": "1 + 1?", "completions": ["1 + 1 = 2"], "labels": [true]})"
      "\n";
  const RecipeRun run = trained(folder, {.step_rewards = true}, steps);
  REQUIRE(run.error.empty());
  CHECK(run.record().at("loss").at("type") == "StepReward");
  CHECK(trained(folder, {.step_rewards = true, .center_rewards_coefficient = 0.01}, steps).error ==
        "center_rewards_coefficient is of pairs, and step_rewards has none; hint: leave it out");
}
