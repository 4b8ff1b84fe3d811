// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning with a critic in one call: PPO on a reward model's scores (RLHF), or on a
// verifier's, by TRL's names.
//
//   reward({.model_path = "org/name", .data_path = "pairs.jsonl", .ckpt_output_dir = "judge"});
//   ppo({.model_path = "org/name", .data_path = "pairs.jsonl", .ckpt_output_dir = "out",
//        .reward_model_path = "judge/hf_format/samples_1000", .max_steps = 100});
//
// The critic is a head on the policy's own trunk (params/with_critic.hpp); it is saved as
// ckpt_output_dir/critic.safetensors. A step is effective_batch_size answers.
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

struct PpoOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  RewardFunction reward_fn = "numeric";
  LiteralString reward_model_path{};
  double kl_coef = 0.05;
  double cliprange = 0.2;
  double cliprange_value = 0.2;
  double vf_coef = 0.1;
  double gamma = 1.0;
  double lam = 0.95;
  std::int64_t num_ppo_epochs = 4;
  std::int64_t max_tokens = 512;
  double temperature = 0.7;
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

/// Units and help of `PpoOptions` (recipes/field_table.hpp).
inline constexpr auto kPpoFields = recipe_fields<PpoOptions>(
    joined(
        std::array{
            field<&PpoOptions::reward_fn>(
                "", "what judges answers: numeric, math, exact, choice, or a callable"),
            field<&PpoOptions::reward_model_path>("",
                                                  "a reward model's folder, which judges instead"),
            field<&PpoOptions::kl_coef>(
                "", "times the log-ratio to the reference is taken from each token's reward"),
            field<&PpoOptions::cliprange>("", "how far a ratio may move"),
            field<&PpoOptions::cliprange_value>("", "how far a value may move; 0: as it will"),
            field<&PpoOptions::vf_coef>("", "weight of the values' error in the loss"),
            field<&PpoOptions::gamma>("", "discount of later rewards"),
            field<&PpoOptions::lam>("", "of the generalised estimate of advantages"),
            field<&PpoOptions::num_ppo_epochs>("", "passes over the answers of a step's prompts"),
            field<&PpoOptions::max_tokens>("tokens", "of an answer"),
            field<&PpoOptions::temperature>("", "that answers are drawn at, and scored"),
        },
        parameter_fields<PpoOptions>()),
    std::array<Field, 0>{});

namespace recipes {
RecipeResult run(const PpoOptions& options, const Callbacks& callbacks);
}

/// Trains a policy and its critic on the rewards of its own answers. Throws one line for what
/// contradicts itself, before anything is read. Callbacks: concepts/events.hpp (event::RolloutEnd
/// has the answers).
template <class... Each>
RecipeResult ppo(const PpoOptions& options, Each... callbacks) {
  return naming_members(
      kPpoFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/ppo.ipp"
#endif
