// SPDX-License-Identifier: Apache-2.0
// Definition of reward.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/data/steps.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/recipes/from_sources.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/reward.hpp"
#include "posttrain/recipes/save_adapter.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<RewardOptions>(kRewardFields));

POSTTRAIN_INLINE RecipeResult recipes::run(const RewardOptions& options,
                                           const Callbacks& callbacks) {
  if (options.step_rewards && options.center_rewards_coefficient != 0.0) {
    fail("center_rewards_coefficient is of pairs, and step_rewards has none; hint: leave it out");
  }
  const Recipe recipe(options, kRewardFields, callbacks);
  const LiteralString& held_out = options.validation_data_path;
  const auto train = [&](const auto& loss, const auto& data) {
    const auto with = [&](const auto& params, const auto& save) {
      Trainer trainer(recipe.model<hub::RewardModel>(), loss, params, data, recipe.optimizer(),
                      recipe.options(), recipe.ranks());
      return recipe.run(trainer, save);
    };
    if (options.lora_r == 0) return with(Full{}, SaveModel{});
    return with(Lora{.rank = options.lora_r,
                     .alpha = options.lora_alpha,
                     .target_modules = options.target_modules,
                     .modules_to_save = "score",
                     .seed = options.seed},
                SaveAdapter{options.model_path.str()});
  };
  if (options.step_rewards) {
    return train(StepReward{},
                 FromSources{options.data_path, SteppedSolutions{.validation_path = held_out}});
  }
  const FromSources pairs{options.data_path, Preferences{.validation_path = held_out}};
  return train(BradleyTerry{options.center_rewards_coefficient}, RewardPairs{pairs});
}

}  // namespace posttrain
