// SPDX-License-Identifier: Apache-2.0
// Calls of recipes as their users write them compile; what is no member does not.
#include <fmt/format.h>

#include "posttrain/hub.hpp"

namespace {

using namespace posttrain;

[[maybe_unused]] void overview() {
  // [snippet: overview]
  sft({.model_path = "org/name",  // of the Hugging Face cache; or a folder, or a .gguf file
       .data_path = "chats.jsonl",
       .ckpt_output_dir = "tuned",
       .num_epochs = 3,
       .learning_rate = 1e-5});

  osft({.model_path = "tuned/hf_format/samples_3000",
        .data_path = "new_skill.jsonl",
        .ckpt_output_dir = "continued",
        .unfreeze_rank_ratio = 0.25,
        .osft_memory_efficient_init = true,
        .num_epochs = 2,
        .effective_batch_size = 16,
        .learning_rate = 5e-6,
        .max_seq_len = 2048,
        .max_tokens_per_gpu = 4096});
  // [/snippet]
}

[[maybe_unused]] void calls() {
  // [snippet: call]
  const RecipeResult result = sft({.model_path = "org/name",
                                   .data_path = "chats.jsonl",
                                   .ckpt_output_dir = "out",
                                   .num_epochs = 2});
  fmt::print("{} steps, loss {:.4f}: {}\n", result.steps, result.loss, result.model);
  // [/snippet]

  // [snippet: members]
  lora_sft({.model_path = "org/name",
            .data_path = {{"chats.jsonl", 3}, {"questions.jsonl", 1}},  // three in four of chats
            .ckpt_output_dir = "out",
            .lora_r = 32,
            .load_in_4bit = true,
            .learning_rate = 1e-4,
            .lr_scheduler = "constant_with_warmup",
            .train_dtype = "bfloat16",
            .validation_split = 0.05,
            .validate_at_epoch = true,
            .save_best_val_loss = true});
  // [/snippet]
}

// [snippet: callback]
struct StopAtLoss {
  double enough;

  event::Request on(const event::Evaluated& event) const { return {.stop = event.loss < enough}; }
};

RecipeResult until(const SftOptions& options, double loss) {
  return sft(options, StopAtLoss{loss});
}
// [/snippet]

[[maybe_unused]] auto* const kUsed = &until;

template <class Options>
concept HasWandb = requires(Options o) {
  o.wandb_project;
};
static_assert(!HasWandb<SftOptions> && !HasWandb<LoraSftOptions>);

}  // namespace
