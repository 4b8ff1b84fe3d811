// SPDX-License-Identifier: Apache-2.0
// A small run of a recipe, to be interrupted by tests/end_to_end/recipe_test.py:
//   recipe MODEL CHATS FOLDER STORAGE
//     calls sft() with everything that is saved; the state goes to STORAGE, too. Prints what came
//     of it; the status is 0, or 128 and the signal that ended the run.
#include <cstdio>
#include <exception>

#include "posttrain/hub.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  if (argc != 5) return 2;
  try {
    const RecipeResult result = sft({.model_path = argv[1],
                                     .data_path = argv[2],
                                     .ckpt_output_dir = argv[3],
                                     .num_epochs = 3,
                                     .effective_batch_size = 4,
                                     .learning_rate = 0.1,
                                     .warmup_steps = 6,
                                     .lr_scheduler = "constant_with_warmup",
                                     .validation_split = 0.2,
                                     .validation_frequency = 2,
                                     .validate_at_epoch = true,
                                     .save_best_val_loss = true,
                                     .save_samples = 4,
                                     .checkpoint_at_epoch = true,
                                     .checkpoint_storage = argv[4],
                                     .progress = false});
    fmt::print("{{\"first_step\": {}, \"steps\": {}, \"model\": \"{}\", \"best\": \"{}\"}}\n",
               result.first_step, result.steps, result.model, result.best);
    return result.interrupted ? 128 + result.signal : 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
