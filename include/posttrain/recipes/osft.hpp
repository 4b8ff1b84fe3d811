// SPDX-License-Identifier: Apache-2.0
// Continual learning in one call, as Training Hub's osft(): orthogonal subspace fine-tuning
// (arXiv 2504.07097), which leaves the leading directions of every matrix as they are.
//
//   osft({.model_path = "org/name", .data_path = "chats.jsonl", .ckpt_output_dir = "out",
//         .unfreeze_rank_ratio = 0.25, .learning_rate = 5e-6});
//
// It is `Trainer(model, NextToken{}, Osft{…}, …)` (params/osft.hpp) with what sft() has around it.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "posttrain/base/by_name.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/distributed/launch.hpp"
#include "posttrain/distributed/sharding.hpp"
#include "posttrain/recipes/common_fields.hpp"
#include "posttrain/recipes/data_sources.hpp"
#include "posttrain/recipes/learning_rate_schedule.hpp"
#include "posttrain/recipes/member_names.hpp"
#include "posttrain/recipes/names.hpp"
#include "posttrain/recipes/recipe_result.hpp"
#include "posttrain/trainer/run/callbacks.hpp"

namespace posttrain {

struct OsftOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  double unfreeze_rank_ratio = 0.25;
  LiteralString target_patterns = "all-linear";
  bool osft_memory_efficient_init = true;
  bool load_in_4bit = false;

  std::int64_t num_epochs = 1;
  std::int64_t effective_batch_size = 32;
  double learning_rate = 1e-5;
  std::int64_t max_seq_len = 0;
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

  std::int64_t warmup_steps = 0;
  LearningRateSchedule lr_scheduler = optim::LrScheduler::cosine;
  ByName<OptimizerName> optimizer = OptimizerName::adamw;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double max_grad_norm = 1.0;
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

/// Units and help of `OsftOptions` (recipes/field_table.hpp).
inline constexpr auto kOsftFields = recipe_fields<OsftOptions>(
    std::array{
        field<&OsftOptions::unfreeze_rank_ratio>(
            "share", "of each matrix's directions that train (OSFT), in [0, 1]"),
        field<&OsftOptions::target_patterns>(
            "", "matrices that do, by name or pattern; all-linear: all but the LM head"),
        field<&OsftOptions::osft_memory_efficient_init>(
            "", "one matrix is decomposed at a time; false is refused"),
        field<&OsftOptions::load_in_4bit>("", "what is frozen is stored in 4 bits (NF4)"),
    },
    text_fields<OsftOptions>());

namespace recipes {
RecipeResult run(const OsftOptions& options, const Callbacks& callbacks);
}

/// Trains the complement of what the model knows. Throws one line for what contradicts itself,
/// before anything is read. Callbacks: concepts/events.hpp.
template <class... Each>
RecipeResult osft(const OsftOptions& options, Each... callbacks) {
  return naming_members(
      kOsftFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/osft.ipp"
#endif
