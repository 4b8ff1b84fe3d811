// SPDX-License-Identifier: Apache-2.0
// The calls that users of Training Hub know.
#include "posttrain/hub.hpp"

#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the calls of the overview run, one after the other", "[recipes]") {
  const RecipeFolder folder;
  // As the overview has a sample, on several lines.
  const std::string data = folder.write("data.json", R"({
    "Messages": [
      {"role": "user", "content": "What does a cow say?"},
      {"role": "assistant", "content": "A cow says muh."}
    ]
  })");
  RecipeResult tuned, continued;
  const std::string said = said_by([&] {
    tuned = sft({.model_path = folder.model(),
                 .data_path = data,
                 .ckpt_output_dir = folder.path("sft"),
                 .num_epochs = 3,
                 .learning_rate = 1e-3});
    continued = osft({.model_path = tuned.model,
                      .data_path = data,
                      .ckpt_output_dir = folder.path("osft"),
                      .unfreeze_rank_ratio = 0.25,
                      .osft_memory_efficient_init = true,
                      .num_epochs = 2,
                      .effective_batch_size = 16,
                      .learning_rate = 5e-6,
                      .max_seq_len = 128,
                      .max_tokens_per_gpu = 256});
  });
  CHECK(tuned.model == folder.path("sft/hf_format/samples_3"));
  CHECK(tuned.steps == 3);
  CHECK(continued.model == folder.path("osft/hf_format/samples_2"));
  CHECK(continued.steps == 2);
  CHECK(std::filesystem::exists(continued.model + "/model.safetensors"));
  CHECK(contains(said, "1 samples read: 1 sequences for training"));
  CHECK(contains(said, "step 3/3 epoch 3.00 loss "));
}
