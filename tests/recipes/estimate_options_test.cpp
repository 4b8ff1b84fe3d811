// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/estimate_options.hpp"

#include <functional>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;
using enum posttrain::TrainingMethod;

TEST_CASE("options of an estimate that contradict each other are told", "[estimate]") {
  static_assert([] {
    EstimateOptions{.model_path = "model"}.validate();
    return true;
  }());
  const std::pair<const char*, EstimateOptions> cases[] = {
      {"posttrain: EstimateOptions.model_path must not be empty", {}},
      {"posttrain: EstimateOptions.max_tokens_per_gpu must be at least 2",
       {.model_path = "m", .max_tokens_per_gpu = 1}},
      {"posttrain: EstimateOptions.max_seq_len must be from 2 to max_tokens_per_gpu",
       {.model_path = "m", .max_tokens_per_gpu = 8, .max_seq_len = 9}},
      {"posttrain: EstimateOptions.effective_batch_size must be at least 1",
       {.model_path = "m", .effective_batch_size = 0}},
      {"posttrain: EstimateOptions.unfreeze_rank_ratio must be in (0, 1]",
       {.training_method = osft, .model_path = "m", .unfreeze_rank_ratio = 0.0}},
      {"posttrain: EstimateOptions.unfreeze_rank_ratio is for training_method osft",
       {.model_path = "m", .unfreeze_rank_ratio = 0.5}},
      {"posttrain: EstimateOptions.lora_r must not be negative",
       {.training_method = lora, .model_path = "m", .lora_r = -1}},
      {"posttrain: EstimateOptions.lora_r is for adapters; hint: training_method lora",
       {.training_method = osft, .model_path = "m", .lora_r = 8}},
      {"posttrain: EstimateOptions.target_modules is for adapters; hint: lora_r",
       {.training_method = dpo, .model_path = "m", .target_modules = "q_proj"}},
      {"posttrain: EstimateOptions.storage is of frozen matrices, and all train; hint: lora_r",
       {.training_method = kto, .model_path = "m", .storage = EstimateStorage::nf4}},
      {"posttrain: qlora keeps matrices in 4 bits; hint: training_method lora with int8",
       {.training_method = qlora, .model_path = "m", .storage = EstimateStorage::int8}},
      {"posttrain: EstimateOptions.reference is for dpo, kto and grpo",
       {.training_method = reward, .model_path = "m", .reference = EstimateReference::copy}},
      {"posttrain: adapters have their base as reference; hint: leave reference out",
       {.training_method = dpo,
        .model_path = "m",
        .lora_r = 8,
        .reference = EstimateReference::copy}},
      {"posttrain: reference scores are for dpo; hint: a copy",
       {.training_method = kto, .model_path = "m", .reference = EstimateReference::scores}},
      {"posttrain: EstimateOptions.num_generations and max_tokens are for grpo",
       {.model_path = "m", .num_generations = 4}},
      {"posttrain: EstimateOptions.num_generations must be at least 2 and divide "
       "effective_batch_size",
       {.training_method = grpo, .model_path = "m", .num_generations = 5}},
      {"posttrain: EstimateOptions.max_tokens must be at least 1 and below max_seq_len",
       {.training_method = grpo, .model_path = "m", .max_seq_len = 256}},
  };
  for (const auto& [message, options] : cases) {
    CHECK(error_of([&options = options] { options.validate(); }) == message);
  }
}

TEST_CASE("options say what trains, how it is kept and what it is compared with", "[estimate]") {
  const EstimateOptions all{.training_method = dpo};
  CHECK_FALSE(all.adapts());
  CHECK(all.copies_reference());
  const EstimateOptions adapters{.training_method = dpo, .lora_r = 4};
  CHECK(adapters.adapts());
  CHECK(adapters.rank() == 4);
  CHECK_FALSE(adapters.copies_reference());
  const EstimateOptions packed{.training_method = qlora};
  CHECK(packed.rank() == 32);
  CHECK(packed.stored() == EstimateStorage::nf4);
  CHECK_FALSE(EstimateOptions{.training_method = grpo}.copies_reference());
}
