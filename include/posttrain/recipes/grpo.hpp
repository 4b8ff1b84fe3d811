// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning with a verifiable reward in one call: GRPO and its kin, by TRL's names.
//
//   grpo({.model_path = "org/name", .data_path = "gsm8k.jsonl", .ckpt_output_dir = "out",
//         .reward_fn = "math", .max_steps = 100});
//
// The policy answers each prompt num_generations times, in this process and with the weights that
// train; what is better than its group becomes likelier (docs/reinforcement.md). A step is
// effective_batch_size answers.
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
#include "posttrain/recipes/reward_function.hpp"
#include "posttrain/trainer/run/callbacks.hpp"

namespace posttrain {

struct GrpoOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  RewardFunction reward_fn = "numeric";
  ByName<LossName> loss_type = LossName::grpo;
  bool use_dr_grpo = true;
  double beta = 0.0;
  double epsilon = 0.0;
  double epsilon_high = 0.0;
  std::int64_t num_generations = 8;
  std::int64_t max_tokens = 512;
  double temperature = 0.7;
  bool dynamic_sampling = false;
  std::int64_t lora_r = 0;
  double lora_alpha = 32.0;
  LiteralString target_modules = "all-linear";
  double unfreeze_rank_ratio = 0.0;
  bool load_in_4bit = false;

  std::int64_t num_epochs = 1;
  std::int64_t effective_batch_size = 32;
  double learning_rate = 1e-5;
  std::int64_t max_seq_len = 0;
  std::int64_t max_tokens_per_gpu = 0;
  std::int64_t max_steps = 0;

  bool skip_bad_samples = false;
  bool deduplicate = false;

  std::int64_t warmup_steps = 0;
  LearningRateSchedule lr_scheduler = optim::LrScheduler::cosine;
  ByName<OptimizerName> optimizer = OptimizerName::adamw;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double max_grad_norm = 0.1;
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

/// Units and help of `GrpoOptions` (recipes/field_table.hpp).
inline constexpr auto kGrpoFields = recipe_fields<GrpoOptions>(
    joined(policy_fields<GrpoOptions>(), parameter_fields<GrpoOptions>()), std::array<Field, 0>{});

namespace recipes {
RecipeResult run(const GrpoOptions& options, const Callbacks& callbacks);
}

/// Trains a policy on the rewards of its own answers. Throws one line for what contradicts itself,
/// before anything is read. Callbacks: concepts/events.hpp (event::RolloutEnd has the answers).
template <class... Each>
RecipeResult grpo(const GrpoOptions& options, Each... callbacks) {
  return naming_members(
      kGrpoFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/grpo.ipp"
#endif
