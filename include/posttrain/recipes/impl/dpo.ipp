// SPDX-License-Identifier: Apache-2.0
// Definition of dpo.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/recipes/dpo.hpp"
#include "posttrain/recipes/from_sources.hpp"
#include "posttrain/recipes/pair_losses.hpp"
#include "posttrain/recipes/parameter_choice.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<DpoOptions>(kDpoFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const DpoOptions& options, const Callbacks& callbacks) {
  const Recipe recipe(options, kDpoFields, callbacks);
  const FromSources data{options.data_path,
                         Preferences{.validation_path = options.validation_data_path}};
  return with_pair_loss(options, [&](const auto& loss, double likelihood) {
    return with_parameters(options, [&](const auto& params, const auto& save) {
      Trainer trainer(recipe.model(), loss + likelihood * OnChosen{NextToken{}},
                      with_reference_for(loss, params), data, recipe.optimizer(), recipe.options(),
                      recipe.ranks());
      return recipe.run(trainer, save);
    });
  });
}

}  // namespace posttrain
