// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/prompt_tuning_sft.hpp"

#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeFolder& folder() {
  static RecipeFolder all;
  return all;
}

PromptTuningSftOptions small() {
  return {.model_path = folder().model(),
          .data_path = folder().chats(),
          .num_virtual_tokens = 6,
          .effective_batch_size = 4,
          .learning_rate = 0.1,
          .progress = false};
}

RecipeRun run(const PromptTuningSftOptions& options) {
  return folder().run(options,
                      [](const PromptTuningSftOptions& o) { return prompt_tuning_sft(o); });
}

}  // namespace

TEST_CASE("a prompt is saved as PEFT reads it", "[recipes][prompt]") {
  const RecipeRun trained = run(small());
  REQUIRE(trained.error == "");
  CHECK(names_in(trained.result.model) ==
        std::vector<std::string>{"README.md", "adapter_config.json", "adapter_model.safetensors"});
  const Json written =
      io::parse_json(slurp(trained.result.model + "/adapter_config.json"), "config");
  CHECK(written.at("peft_type") == "PROMPT_TUNING");
  CHECK(written.at("num_virtual_tokens") == 6);
  CHECK(written.at("base_model_name_or_path") == folder().model());
  CHECK(trained.losses().back() < trained.losses().front());
}

TEST_CASE("a prompt has the best of its values saved, too", "[recipes][prompt]") {
  PromptTuningSftOptions options = small();
  options.validation_split = 0.2;
  options.validation_frequency = 1;
  options.save_best_val_loss = true;
  const RecipeRun trained = run(options);
  CHECK(trained.error == "");
  CHECK(std::filesystem::exists(trained.result.best + "/adapter_model.safetensors"));
}

TEST_CASE("a prompt's first text goes with init = text alone", "[recipes][prompt]") {
  PromptTuningSftOptions options = small();
  options.prompt_tuning_init_text = "Apples.";
  const std::string line =
      "posttrain: PromptTuning.init_text goes with PromptInit::text, and only with it";
  CHECK(run(options).error == line);
  options.prompt_tuning_init = "text";
  CHECK(run(options).error == "");
  options.prompt_tuning_init_text = "";
  CHECK(run(options).error == line);
  CHECK(error_of([&] { options.prompt_tuning_init = "vocab"; }) ==
        "expected one of random, text, sample_vocab, got \"vocab\"");
}
