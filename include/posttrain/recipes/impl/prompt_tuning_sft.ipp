// SPDX-License-Identifier: Apache-2.0
// Definition of prompt_tuning_sft.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/recipes/prompt_tuning_sft.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/save_adapter.hpp"
#include "posttrain/recipes/text_data.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<PromptTuningSftOptions>(kPromptTuningSftFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const PromptTuningSftOptions& options,
                                           const Callbacks& callbacks) {
  const Recipe recipe(options, kPromptTuningSftFields, callbacks);
  const TextData data = text_data(options);
  const PromptTuning prompt{.num_virtual_tokens = options.num_virtual_tokens,
                            .init = options.prompt_tuning_init,
                            .init_text = options.prompt_tuning_init_text,
                            .seed = options.seed};
  Trainer trainer(recipe.model(), NextToken{}, prompt, data, recipe.optimizer(), recipe.options(),
                  recipe.ranks());
  if (trainer.rank() == 0) trainer.add(data.output);
  return recipe.run(trainer, SaveAdapter{options.model_path.str()});
}

}  // namespace posttrain
