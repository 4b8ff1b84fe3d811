// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/lora_sft.hpp"

#include "posttrain/recipes/sft.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeFolder& folder() {
  static RecipeFolder all;
  return all;
}

LoraSftOptions small() {
  return {.model_path = folder().model(),
          .data_path = folder().chats(),
          .num_epochs = 1,
          .effective_batch_size = 4,
          .learning_rate = 1e-2,
          .warmup_steps = 0,
          .progress = false};
}

RecipeRun run(const LoraSftOptions& options) {
  return folder().run(options, [](const LoraSftOptions& o) { return lora_sft(o); });
}

Json config(const RecipeRun& run) {
  return io::parse_json(slurp(run.result.model + "/adapter_config.json"), "adapter_config.json");
}

}  // namespace

TEST_CASE("an adapter is saved as PEFT reads it", "[recipes][lora]") {
  LoraSftOptions options = small();
  options.lora_r = 4;
  options.lora_alpha = 12;
  options.target_modules = "q_proj, v_proj";
  options.use_rslora = true;
  const RecipeRun trained = run(options);
  REQUIRE(trained.error == "");
  CHECK(trained.models() == std::vector<std::string>{"samples_10"});
  const Json written = config(trained);
  CHECK(written.at("peft_type") == "LORA");
  CHECK(written.at("r") == 4);
  CHECK(written.at("lora_alpha") == 12.0);
  CHECK(written.at("use_rslora") == true);
  CHECK(written.at("base_model_name_or_path") == folder().model());
  CHECK(trained.losses().back() < trained.losses().front());
}

TEST_CASE("prompts are not trained", "[recipes][lora]") {
  const Json line = run(small()).data().at(0);
  CHECK(line.at("labels").at(0) == -100);
  CHECK(line.at("num_loss_counted_tokens").get<int>() < line.at("len").get<int>() / 2);
}

TEST_CASE("a merged adapter is a model to begin from", "[recipes][lora]") {
  LoraSftOptions options = small();
  options.merge_adapter = true;
  const RecipeRun merged = run(options);
  const RecipeRun next = folder().run(SftOptions{.model_path = merged.result.model,
                                                 .data_path = folder().chats(),
                                                 .max_steps = 1,
                                                 .save_final_checkpoint = false,
                                                 .progress = false},
                                      [](const SftOptions& o) { return sft(o); });
  CHECK(next.error == "");
  CHECK(next.losses().at(0) < merged.losses().at(0));
}

TEST_CASE("a finished run that is called again for another form says why there is none",
          "[recipes][lora]") {
  LoraSftOptions options = small();
  options.ckpt_output_dir = folder().path("twice");
  const RecipeRun adapter = run(options);
  CHECK(std::filesystem::exists(adapter.result.model + "/adapter_config.json"));
  options.merge_adapter = true;
  // Nothing is deleted to make room, its own adapter neither.
  CHECK(contains(run(options).error, "samples_10 holds 'adapter_model.safetensors'"));
  CHECK(std::filesystem::exists(adapter.result.model + "/adapter_config.json"));
}

TEST_CASE("every first value trains, LoftQ's on a base that is stored in few bits",
          "[recipes][lora]") {
  for (const char* init : {"kaiming", "gaussian", "olora", "pissa", "loftq"}) {
    LoraSftOptions options = small();
    options.init_lora_weights = init;
    options.lora_r = 4;
    options.max_steps = 2;
    options.load_in_8bit = std::string_view(init) == "loftq";
    const RecipeRun trained = run(options);
    INFO(init);
    CHECK(trained.error == "");
    CHECK(trained.losses().size() == 2);
  }
  LoraSftOptions dense = small();
  dense.init_lora_weights = "loftq";
  CHECK(run(dense).error == "posttrain: LoraInit::loftq needs a quantised base, such as QLora's");
}

TEST_CASE("an interrupted adapter goes on to the same values [C25]", "[recipes][lora][C25]") {
  LoraSftOptions options = small();
  options.lora_dropout = 0.1;
  options.load_in_4bit = true;
  const RecipeRun whole = run(options);
  options.ckpt_output_dir = folder().path("pieces");
  const RecipeRun piece =
      folder().run(options, [](const LoraSftOptions& o) { return lora_sft(o, StopsAt{0}); });
  CHECK(piece.result.interrupted);
  const RecipeRun last = run(options);
  CHECK(last.result.first_step == 1);
  CHECK(last.losses() == whole.losses());
  CHECK(slurp(last.result.model + "/adapter_model.safetensors") ==
        slurp(whole.result.model + "/adapter_model.safetensors"));
}
