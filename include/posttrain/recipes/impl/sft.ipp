// SPDX-License-Identifier: Apache-2.0
// Definition of sft.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/sft.hpp"
#include "posttrain/recipes/text_data.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<SftOptions>(kSftFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const SftOptions& options, const Callbacks& callbacks) {
  const Recipe recipe(options, kSftFields, callbacks);
  const TextData data = text_data(options);
  Trainer trainer(recipe.model(), NextToken{}, Full{}, data, recipe.optimizer(), recipe.options(),
                  recipe.ranks());
  if (trainer.rank() == 0) trainer.add(data.output);
  return recipe.run(trainer);
}

}  // namespace posttrain
