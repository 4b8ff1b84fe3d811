// SPDX-License-Identifier: Apache-2.0
// Definition of ppo.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/losses/ppo.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/recipes/policy_training.hpp"
#include "posttrain/recipes/ppo.hpp"
#include "posttrain/rewards/model_reward.hpp"

namespace posttrain {

static_assert(is_table_of<PpoOptions>(kPpoFields));

namespace detail {

/// A reward model that lives as long as what judges by it.
class JudgedByModel {
 public:
  explicit JudgedByModel(hub::RewardModel model)
      : judge_(std::make_shared<Judge>(std::move(model))) {}

  double operator()(const Sample& sample) const {
    return ModelReward(judge_->model, judge_->gate)(std::span(&sample, 1)).front();
  }
  std::string description() const { return ModelReward(judge_->model, judge_->gate).description(); }

 private:
  struct Judge {
    explicit Judge(hub::RewardModel opened)
        : model(std::move(opened)), gate(Frozen{}.attach(model)) {}
    hub::RewardModel model;
    FrozenState gate;
  };
  std::shared_ptr<const Judge> judge_;
};

}  // namespace detail

POSTTRAIN_INLINE RecipeResult recipes::run(const PpoOptions& options, const Callbacks& callbacks) {
  const Recipe recipe(options, kPpoFields, callbacks);
  RewardFunction judge = options.reward_fn;
  if (!options.reward_model_path.empty()) {
    judge =
        detail::JudgedByModel(recipe.model_at<hub::RewardModel>(options.reward_model_path.str()));
  }
  auto data = detail::prompts(options, judge);
  data.rollouts.group_size = 1;
  data.rollouts.num_iterations = options.num_ppo_epochs;
  Ppo::With<Kl> loss{.gae = {.gamma = options.gamma, .lambda = options.lam},
                     .value_coefficient = options.vf_coef,
                     .value_clip = options.cliprange_value};
  loss.policy.term.low = loss.policy.term.high = options.cliprange;
  loss.policy.kl.coefficient = options.kl_coef;
  return with_parameters(options, [&](const auto& params, const auto& save) {
    Trainer trainer(recipe.model(), loss, with_reference_for(loss, WithCritic{params}), data,
                    recipe.optimizer(), recipe.options(), recipe.ranks());
    const RecipeResult result = recipe.run(trainer, save);
    trainer.by_first([&] {
      if (result.interrupted) return;
      save_critic(trainer.state(), options.ckpt_output_dir.str() + "/critic.safetensors");
    });
    return result;
  });
}

}  // namespace posttrain
