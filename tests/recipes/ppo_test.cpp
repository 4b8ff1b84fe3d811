// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/ppo.hpp"

#include <string>

#include "posttrain/recipes/reward.hpp"
#include "support/catch.hpp"
#include "support/prompt_lines.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeRun trained(RecipeFolder& folder, PpoOptions options) {
  options.model_path = folder.model();
  options.data_path = folder.write("asked.jsonl", some_prompts(4));
  options.max_tokens = 6;
  options.num_ppo_epochs = 2;
  options.effective_batch_size = 4;
  options.learning_rate = 1e-3;
  options.max_steps = 2;
  options.progress = false;
  return folder.run(options, [](const PpoOptions& o) { return ppo(o); });
}

}  // namespace

TEST_CASE("ppo trains a policy and its critic", "[recipes][ppo]") {
  RecipeFolder folder;
  const RecipeRun run = trained(
      folder, {.reward_fn = [](const Sample& sample) { return sample.completion.size() % 2 == 0; },
               .cliprange = 0.3});
  REQUIRE(run.error.empty());
  CHECK(run.result.steps == 2);
  CHECK(run.numbers("value/error").size() == 2);
  CHECK(run.numbers("kl").size() == 2);
  CHECK(std::filesystem::exists(run.folder / "critic.safetensors"));
  CHECK(run.record().at("data").at("rollouts").at("num_iterations") == 2);
  CHECK(run.record().at("loss").at("policy").at("term").at("low") == 0.3);
}

TEST_CASE("ppo is judged by a reward model", "[recipes][ppo]") {
  RecipeFolder folder;
  RewardOptions judged{.model_path = folder.model(), .max_steps = 1, .progress = false};
  judged.data_path = folder.write(
      "pairs.jsonl", R"({"prompt": "How many?", "chosen": "Three.", "rejected": "No idea."})"
                     "\n");
  const RecipeRun judge = folder.run(judged, [](const RewardOptions& o) { return reward(o); });
  REQUIRE(judge.error.empty());
  const RecipeRun run =
      trained(folder, {.reward_model_path = judge.result.model, .lora_r = 2, .seed = 3});
  REQUIRE(run.error.empty());
  CHECK(run.numbers("rewards/JudgedByModel/mean").size() == 2);
  CHECK(std::filesystem::exists(run.result.model + "/adapter_model.safetensors"));
  CHECK(contains(run.record().at("data").dump(), "ModelReward"));
}
