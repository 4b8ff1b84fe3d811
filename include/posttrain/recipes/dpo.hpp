// SPDX-License-Identifier: Apache-2.0
// Learning from preferences in one call: DPO and its kin, by TRL's names.
//
//   dpo({.model_path = "org/name", .data_path = "pairs.jsonl", .ckpt_output_dir = "out"});
//   dpo({…, .loss_type = "simpo", .unfreeze_rank_ratio = 0.25});   // OSFT keeps earlier skills
//
// The reference of adapters and of OSFT is the base itself; all weights have a frozen copy beside
// them. Defaults are TRL's DPOConfig's where Training Hub's say nothing.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "posttrain/base/by_name.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/distributed/launch.hpp"
#include "posttrain/distributed/sharding.hpp"
#include "posttrain/losses/terms/f_divergence_name.hpp"
#include "posttrain/recipes/common_fields.hpp"
#include "posttrain/recipes/data_sources.hpp"
#include "posttrain/recipes/learning_rate_schedule.hpp"
#include "posttrain/recipes/member_names.hpp"
#include "posttrain/recipes/names.hpp"
#include "posttrain/recipes/recipe_result.hpp"
#include "posttrain/trainer/run/callbacks.hpp"

namespace posttrain {

struct DpoOptions {
  LiteralString model_path{};
  DataSources data_path{};
  LiteralString ckpt_output_dir{};

  ByName<LossName> loss_type = LossName::sigmoid;
  double beta = 0.0;
  double label_smoothing = -1.0;
  ByName<FDivergence> f_divergence_type = FDivergence::reverse_kl;
  double f_alpha_divergence_coef = 0.5;
  double discopop_tau = 0.0;
  double simpo_gamma = -1.0;
  double rpo_alpha = -1.0;
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

/// Units and help of `DpoOptions` (recipes/field_table.hpp).
inline constexpr auto kDpoFields = recipe_fields<DpoOptions>(
    joined(
        std::array{
            field<&DpoOptions::loss_type>("", "TRL's name of the loss (docs/losses.md)"),
            field<&DpoOptions::beta>("",
                                     "weight of the distance from the reference; 0: the loss\'s "
                                     "own (of policies: none)"),
            field<&DpoOptions::label_smoothing>(
                "share", "of pairs whose labels are taken for flipped; -1: the loss's own"),
            field<&DpoOptions::f_divergence_type>(
                "", "reverse_kl, forward_kl, js_divergence or alpha_divergence"),
            field<&DpoOptions::f_alpha_divergence_coef>("", "of alpha_divergence"),
            field<&DpoOptions::discopop_tau>("", "of discopop; 0: its own, 0.05"),
            field<&DpoOptions::simpo_gamma>("", "the margin of simpo; -1: its own, 1"),
            field<&DpoOptions::rpo_alpha>("",
                                          "weight of the chosen answers' likelihood beside the "
                                          "loss; -1: 1 for orpo and cpo, else 0"),
        },
        parameter_fields<DpoOptions>()),
    std::array<Field, 0>{});

namespace recipes {
RecipeResult run(const DpoOptions& options, const Callbacks& callbacks);
}

/// Trains a policy on pairs of a better and a worse answer. Throws one line for what contradicts
/// itself, before anything is read. Callbacks: concepts/events.hpp.
template <class... Each>
RecipeResult dpo(const DpoOptions& options, Each... callbacks) {
  return naming_members(
      kDpoFields, [&] { return recipes::run(options, Callbacks::of(std::move(callbacks)...)); });
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/dpo.ipp"
#endif
