// SPDX-License-Identifier: Apache-2.0
// Definition of lora_sft.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/recipes/lora_sft.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/save_adapter.hpp"
#include "posttrain/recipes/text_data.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<LoraSftOptions>(kLoraSftFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const LoraSftOptions& options,
                                           const Callbacks& callbacks) {
  if (options.load_in_4bit && options.load_in_8bit) {
    fail("expected load_in_4bit or load_in_8bit, got both");
  }
  const Recipe recipe(options, kLoraSftFields, callbacks);
  const TextData data = text_data(options);
  const Lora lora = lora_policy(options);
  const auto train = [&](const auto& storage) {
    Trainer trainer(recipe.model(), NextToken{}, with_storage(lora, storage), data,
                    recipe.optimizer(), recipe.options(), recipe.ranks());
    if (trainer.rank() == 0) trainer.add(data.output);
    return recipe.run(trainer, SaveAdapter{options.model_path.str(), options.merge_adapter});
  };
  if (options.load_in_4bit) return train(Nf4{});
  if (options.load_in_8bit) return train(Int8{});
  return train(Dense{});
}

}  // namespace posttrain
