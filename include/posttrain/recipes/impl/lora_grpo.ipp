// SPDX-License-Identifier: Apache-2.0
// Definition of lora_grpo.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/recipes/lora_grpo.hpp"
#include "posttrain/recipes/policy_training.hpp"

namespace posttrain {

static_assert(is_table_of<LoraGrpoOptions>(kLoraGrpoFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const LoraGrpoOptions& options,
                                           const Callbacks& callbacks) {
  return train_policy(options, kLoraGrpoFields, callbacks);
}

}  // namespace posttrain
