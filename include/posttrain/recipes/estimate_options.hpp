// SPDX-License-Identifier: Apache-2.0
// What decides how much memory a run takes (recipes/estimate.hpp): the method, what trains, how it
// is stored, and the largest micro-batch. Names and meanings are those of Training Hub's estimate()
// and of its training functions.
#pragma once

#include <cstdint>

#include "posttrain/base/by_name.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/recipes/names.hpp"

namespace posttrain {

/// The loss and what trains: sft, all weights by the next token; osft, in subspaces; lora and
/// qlora, adapters; dpo, kto, reward and grpo, all weights, or adapters where `lora_r` is given.
enum class TrainingMethod { sft, osft, lora, qlora, dpo, kto, reward, grpo };

/// How frozen matrices are kept.
enum class EstimateStorage { dense, nf4, int8 };

/// What a loss compares with.
enum class EstimateReference {
  standard,  // dpo, kto: a copy where all weights train, else the base; the others: nothing
  copy,      // where all weights train: a second model in memory; grpo: for a KL penalty
  scores,    // of dpo where all weights train: computed before the first step
};

struct EstimateOptions {
  ByName<TrainingMethod> training_method = TrainingMethod::sft;
  LiteralString
      model_path{};           // a folder, a GGUF file or a name, as hub::PretrainedDecoder takes it
  bool from_scratch = false;  // the folder has no weights: they are drawn

  // --- the largest micro-batch -------------------------------------------------------------------
  std::int64_t max_tokens_per_gpu =
      4096;                         // tokens of one micro-batch (Options::max_tokens_per_batch)
  std::int64_t max_seq_len = 2048;  // tokens of the longest sample, prompt and answer
  std::int64_t effective_batch_size = 32;  // samples of an optimizer step; grpo: and of a rollout
  bool gradient_checkpointing = false;

  // --- what trains, and how it is kept -----------------------------------------------------------
  double unfreeze_rank_ratio = 0.25;            // osft
  std::int64_t lora_r = 0;                      // rank; 0: 32 of lora and qlora, else no adapters
  LiteralString target_modules = "all-linear";  // of adapters
  ByName<TrainDtype> train_dtype = TrainDtype::float32;
  ByName<EstimateStorage> storage = EstimateStorage::dense;  // of frozen matrices; qlora: 4 bits
  ByName<OptimizerName> optimizer = OptimizerName::adamw;
  ByName<EstimateReference> reference = EstimateReference::standard;

  // --- grpo --------------------------------------------------------------------------------------
  std::int64_t num_generations = 8;  // samples of a prompt
  std::int64_t max_tokens = 256;     // of a sample, within max_seq_len

  /// Whether adapters train, or else all weights or subspaces.
  constexpr bool adapts() const {
    return training_method == TrainingMethod::lora || training_method == TrainingMethod::qlora ||
           lora_r > 0;
  }
  constexpr bool in_subspaces() const { return training_method == TrainingMethod::osft; }
  constexpr bool rolls_out() const { return training_method == TrainingMethod::grpo; }
  constexpr std::int64_t rank() const { return lora_r > 0 ? lora_r : 32; }
  constexpr EstimateStorage stored() const {
    return training_method == TrainingMethod::qlora ? EstimateStorage::nf4 : storage.value();
  }
  /// Whether a second model stands in memory.
  constexpr bool copies_reference() const {
    if (adapts() || in_subspaces()) return false;
    const bool compares =
        training_method == TrainingMethod::dpo || training_method == TrainingMethod::kto;
    return reference == EstimateReference::copy ||
           (compares && reference == EstimateReference::standard);
  }

  constexpr void validate() const {
    using enum TrainingMethod;
    const EstimateOptions standard;
    if (model_path.empty()) fail("posttrain: EstimateOptions.model_path must not be empty");
    if (max_tokens_per_gpu < 2) {
      fail("posttrain: EstimateOptions.max_tokens_per_gpu must be at least 2");
    }
    if (max_seq_len < 2 || max_seq_len > max_tokens_per_gpu) {
      fail("posttrain: EstimateOptions.max_seq_len must be from 2 to max_tokens_per_gpu");
    }
    if (effective_batch_size < 1) {
      fail("posttrain: EstimateOptions.effective_batch_size must be at least 1");
    }
    if (!(unfreeze_rank_ratio > 0.0 && unfreeze_rank_ratio <= 1.0)) {
      fail("posttrain: EstimateOptions.unfreeze_rank_ratio must be in (0, 1]");
    }
    if (!in_subspaces() && unfreeze_rank_ratio != standard.unfreeze_rank_ratio) {
      fail("posttrain: EstimateOptions.unfreeze_rank_ratio is for training_method osft");
    }
    if (lora_r < 0) fail("posttrain: EstimateOptions.lora_r must not be negative");
    if (lora_r > 0 && (training_method == sft || in_subspaces())) {
      fail("posttrain: EstimateOptions.lora_r is for adapters; hint: training_method lora");
    }
    if (!adapts() && target_modules != standard.target_modules) {
      fail("posttrain: EstimateOptions.target_modules is for adapters; hint: lora_r");
    }
    if (storage != EstimateStorage::dense && !adapts() && !in_subspaces()) {
      fail("posttrain: EstimateOptions.storage is of frozen matrices, and all train; hint: lora_r");
    }
    if (training_method == qlora && storage == EstimateStorage::int8) {
      fail("posttrain: qlora keeps matrices in 4 bits; hint: training_method lora with int8");
    }
    validate_reference();
    if (!rolls_out()) {
      if (num_generations != standard.num_generations || max_tokens != standard.max_tokens) {
        fail("posttrain: EstimateOptions.num_generations and max_tokens are for grpo");
      }
      return;
    }
    if (num_generations < 2 || effective_batch_size % num_generations != 0) {
      fail(
          "posttrain: EstimateOptions.num_generations must be at least 2 and divide "
          "effective_batch_size");
    }
    if (max_tokens < 1 || max_tokens >= max_seq_len) {
      fail("posttrain: EstimateOptions.max_tokens must be at least 1 and below max_seq_len");
    }
  }

 private:
  constexpr void validate_reference() const {
    if (reference == EstimateReference::standard) return;
    const bool compares = training_method == TrainingMethod::dpo ||
                          training_method == TrainingMethod::kto || rolls_out();
    if (!compares) fail("posttrain: EstimateOptions.reference is for dpo, kto and grpo");
    if (adapts()) {
      fail("posttrain: adapters have their base as reference; hint: leave reference out");
    }
    if (reference == EstimateReference::scores && training_method != TrainingMethod::dpo) {
      fail("posttrain: reference scores are for dpo; hint: a copy");
    }
  }
};

}  // namespace posttrain
