// SPDX-License-Identifier: Apache-2.0
// Definition of grpo.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/recipes/grpo.hpp"
#include "posttrain/recipes/policy_training.hpp"

namespace posttrain {

static_assert(is_table_of<GrpoOptions>(kGrpoFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const GrpoOptions& options, const Callbacks& callbacks) {
  return train_policy(options, kGrpoFields, callbacks);
}

}  // namespace posttrain
