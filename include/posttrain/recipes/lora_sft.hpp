// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning of adapters in one call, as Training Hub's lora_sft(): LoRA, and by its
// members rsLoRA, DoRA, OLoRA, PiSSA, QLoRA, LoftQ (params/lora.hpp).
//
//   lora_sft({.model_path = "org/name", .data_path = "chats.jsonl", .ckpt_output_dir = "out"});
//
// Saved are adapters as PEFT reads them. Prompts are not trained, as in sft(); Training Hub's back
// end trains them. Defaults that differ from sft()'s are Training Hub's.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "posttrain/base/by_name.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/distributed/launch.hpp"
#include "posttrain/distributed/sharding.hpp"
#include "posttrain/params/lora/options.hpp"
#include "posttrain/recipes/common_fields.hpp"
#include "posttrain/recipes/data_sources.hpp"
#include "posttrain/recipes/learning_rate_schedule.hpp"
#include "posttrain/recipes/member_names.hpp"
#include "posttrain/recipes/names.hpp"
#include "posttrain/recipes/recipe_result.hpp"
#include "posttrain/trainer/run/callbacks.hpp"

namespace posttrain {

struct LoraSftOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  std::int64_t lora_r = 16;
  double lora_alpha = 32.0;
  double lora_dropout = 0.0;
  LiteralString target_modules = "all-linear";
  LiteralString modules_to_save{};
  LiteralString rank_pattern{};
  LiteralString alpha_pattern{};
  bool use_rslora = false;
  bool use_dora = false;
  ByName<LoraInit> init_lora_weights = LoraInit::kaiming;
  double loraplus_lr_ratio = 1.0;
  bool load_in_4bit = false;
  bool load_in_8bit = false;
  bool merge_adapter = false;

  std::int64_t num_epochs = 3;
  std::int64_t effective_batch_size = 32;
  double learning_rate = 2e-4;
  std::int64_t max_seq_len = 2048;
  std::int64_t max_tokens_per_gpu = 0;
  std::int64_t max_steps = 0;

  LiteralString data_output_dir{};
  bool is_pretraining = false;
  std::int64_t block_size = 0;
  LiteralString document_column_name{};
  bool unmask_messages = false;
  bool use_processed_dataset = false;
  bool skip_bad_samples = false;
  bool deduplicate = false;

  std::int64_t warmup_steps = 10;
  LearningRateSchedule lr_scheduler = optim::LrScheduler::linear;
  ByName<OptimizerName> optimizer = OptimizerName::adamw;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double max_grad_norm = 0.3;
  bool gradient_checkpointing = false;
  ByName<TrainDtype> train_dtype = TrainDtype::float32;
  LiteralString device = "cpu";
  std::uint64_t seed = 42;

  double validation_split = 0.0;
  LiteralString validation_data_path{};
  std::int64_t validation_frequency = 0;
  bool validate_at_epoch = false;
  bool save_best_val_loss = false;
  std::int64_t early_stopping_patience = 0;
  double early_stopping_threshold = 0.0;

  std::int64_t save_samples = 0;
  bool checkpoint_at_epoch = false;
  bool accelerate_full_state_at_epoch = true;
  bool save_final_checkpoint = true;
  bool keep_last_checkpoint_only = false;
  LiteralString checkpoint_storage{};
  bool enable_jit_checkpoint = true;

  std::int64_t logging_steps = 1;
  LiteralString tensorboard_log_dir{};
  bool progress = true;

  LaunchValue nproc_per_node{};
  LaunchValue nnodes{};
  LaunchValue node_rank{};
  LaunchValue rdzv_id{};
  LiteralString rdzv_endpoint{};
  LiteralString master_addr{};
  LaunchValue master_port{};
  ByName<Sharding> sharding = Sharding::none;
};

/// Units and help of `LoraSftOptions` (recipes/field_table.hpp).
inline constexpr auto kLoraSftFields = recipe_fields<LoraSftOptions>(
    std::array{
        field<&LoraSftOptions::lora_r>(
            "", "the adapters' rank; 0 (but in lora_sft): none, all weights train"),
        field<&LoraSftOptions::lora_alpha>("", "an adapter counts lora_alpha / lora_r times"),
        field<&LoraSftOptions::lora_dropout>("share", "of what an adapter reads that is left out"),
        field<&LoraSftOptions::target_modules>(
            "", "matrices that get one, by name or pattern; all-linear: all but the LM head"),
        field<&LoraSftOptions::modules_to_save>("", "tensors that train as a whole beside them"),
        field<&LoraSftOptions::rank_pattern>("", "other ranks: down_proj=4, layers.0-3=32"),
        field<&LoraSftOptions::alpha_pattern>("", "other alphas, likewise"),
        field<&LoraSftOptions::use_rslora>("", "an adapter counts lora_alpha / sqrt(lora_r) times"),
        field<&LoraSftOptions::use_dora>("", "magnitude and direction apart (DoRA)"),
        field<&LoraSftOptions::init_lora_weights>(
            "", "kaiming, gaussian, olora, pissa, or loftq with load_in_4bit or load_in_8bit"),
        field<&LoraSftOptions::loraplus_lr_ratio>("", "learning rate of B over that of A (LoRA+)"),
        field<&LoraSftOptions::load_in_4bit>("", "what is frozen is stored in 4 bits (NF4)"),
        field<&LoraSftOptions::load_in_8bit>("", "what is frozen is stored in 8 bits"),
        field<&LoraSftOptions::merge_adapter>("", "save whole models, the adapter applied"),
    },
    text_fields<LoraSftOptions>());

namespace recipes {
RecipeResult run(const LoraSftOptions& options, const Callbacks& callbacks);
}

/// Trains adapters on conversations, documents or tokens. Throws one line for what contradicts
/// itself, before anything is read. Callbacks: concepts/events.hpp.
template <class... Each>
RecipeResult lora_sft(const LoraSftOptions& options, Each... callbacks) {
  return naming_members(kLoraSftFields, [&] {
    return recipes::run(options, Callbacks::of(std::move(callbacks)...));
  });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/lora_sft.ipp"
#endif
