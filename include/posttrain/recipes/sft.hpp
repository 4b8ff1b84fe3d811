// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning in one call, as Training Hub's sft():
//
//   sft({.model_path = "org/name", .data_path = "chats.jsonl", .ckpt_output_dir = "out"});
//
// It is `Trainer(model, NextToken{}, Full{}, …)` with everything around it: the launch's
// parameters, saved models, the state for resuming. Members have Training Hub's names and meanings;
// what differs is in docs/coming_from_training_hub.md. A call that is repeated goes on where it
// stopped.
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

struct SftOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

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
  bool checkpoint_at_epoch = true;
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

/// Units and help of `SftOptions` (recipes/field_table.hpp).
inline constexpr auto kSftFields =
    recipe_fields<SftOptions>(std::array<Field, 0>{}, text_fields<SftOptions>());

namespace recipes {
RecipeResult run(const SftOptions& options, const Callbacks& callbacks);
}

/// Trains all weights of a model on conversations, documents or tokens. Throws one line for what
/// contradicts itself, before anything is read. Callbacks: concepts/events.hpp.
template <class... Each>
RecipeResult sft(const SftOptions& options, Each... callbacks) {
  return naming_members(
      kSftFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/sft.ipp"
#endif
