// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/lora_grpo.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/prompt_lines.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("lora_grpo trains adapters on the rewards of their answers", "[recipes][lora_grpo]") {
  RecipeFolder folder;
  const LoraGrpoOptions options{.model_path = folder.model(),
                                .data_path = folder.write("asked.jsonl", some_prompts(4)),
                                .num_generations = 4,
                                .max_tokens = 6,
                                .effective_batch_size = 8,
                                .max_steps = 1,
                                .progress = false};
  const RecipeRun run = folder.run(options, [](const LoraGrpoOptions& o) { return lora_grpo(o); });
  REQUIRE(run.error.empty());
  CHECK(std::filesystem::exists(run.result.model + "/adapter_model.safetensors"));
  const Json params = run.record().at("params");
  CHECK(params.at("rank") == 16);
  CHECK(params.at("alpha") == 8.0);
}
