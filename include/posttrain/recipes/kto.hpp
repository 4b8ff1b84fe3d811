// SPDX-License-Identifier: Apache-2.0
// Learning from single judged answers in one call: KTO, unpaired APO, BCO, by TRL's names.
//
//   kto({.model_path = "org/name", .data_path = "judged.jsonl", .ckpt_output_dir = "out"});
//
// Data have a prompt, a completion and a label, in any format of docs/data.md.
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

struct KtoOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  ByName<LossName> loss_type = LossName::kto;
  double beta = 0.0;
  double desirable_weight = 1.0;
  double undesirable_weight = 1.0;
  std::int64_t lora_r = 0;
  double lora_alpha = 32.0;
  LiteralString target_modules = "all-linear";
  double unfreeze_rank_ratio = 0.0;
  bool load_in_4bit = false;

  std::int64_t num_epochs = 1;
  std::int64_t effective_batch_size = 32;
  double learning_rate = 1e-6;
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

/// Units and help of `KtoOptions` (recipes/field_table.hpp).
inline constexpr auto kKtoFields = recipe_fields<KtoOptions>(
    joined(
        std::array{
            field<&KtoOptions::loss_type>("", "TRL's name of the loss (docs/losses.md)"),
            field<&KtoOptions::beta>("",
                                     "weight of the distance from the reference; 0: the loss\'s "
                                     "own (of policies: none)"),
            field<&KtoOptions::desirable_weight>("", "of good answers, but in bco"),
            field<&KtoOptions::undesirable_weight>("", "of bad ones, but in bco"),
        },
        parameter_fields<KtoOptions>()),
    std::array<Field, 0>{});

namespace recipes {
RecipeResult run(const KtoOptions& options, const Callbacks& callbacks);
}

/// Trains a policy on answers that are good or bad. Throws one line for what contradicts itself,
/// before anything is read. Callbacks: concepts/events.hpp.
template <class... Each>
RecipeResult kto(const KtoOptions& options, Each... callbacks) {
  return naming_members(
      kKtoFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/kto.ipp"
#endif
