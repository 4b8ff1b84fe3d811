// SPDX-License-Identifier: Apache-2.0
// Definition of osft.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/recipes/osft.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/text_data.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<OsftOptions>(kOsftFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const OsftOptions& options, const Callbacks& callbacks) {
  if (!options.osft_memory_efficient_init) {
    fail(
        "osft_memory_efficient_init = false is not offered: all matrices would be decomposed "
        "before "
        "one is let go; hint: leave it out");
  }
  const Recipe recipe(options, kOsftFields, callbacks);
  const TextData data = text_data(options);
  const auto train = [&](const auto& osft) {
    Trainer trainer(recipe.model(), NextToken{}, osft, data, recipe.optimizer(), recipe.options(),
                    recipe.ranks());
    if (trainer.rank() == 0) trainer.add(data.output);
    return recipe.run(trainer);
  };
  const double ratio = options.unfreeze_rank_ratio;
  if (options.load_in_4bit) {
    return train(
        BasicOsft<Nf4>{.unfreeze_rank_ratio = ratio, .target_patterns = options.target_patterns});
  }
  return train(Osft{.unfreeze_rank_ratio = ratio, .target_patterns = options.target_patterns});
}

}  // namespace posttrain
