// SPDX-License-Identifier: Apache-2.0
// What grpo() and lora_grpo() have in common: the loss and the rollouts that their members say.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/recipes/any_term.hpp"
#include "posttrain/recipes/parameter_choice.hpp"
#include "posttrain/recipes/prompts_from_sources.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/reward_function.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

namespace detail {

/// The values of a paper's loss, for a term that is chosen at run time.
template <class Loss, class Paper>
void take_values(Loss& loss, const Paper& paper) {
  loss.term = paper.term;
  loss.advantage = paper.advantage;
  loss.normalizer = paper.normalizer;
  loss.truncated = paper.truncated;
  loss.equal_rewards = paper.equal_rewards;
}

/// The bounds of a clip as TRL names them: epsilon for both, epsilon_high for the upper one.
template <class O>
void take_bounds(Clip& clip, const O& o) {
  if (o.epsilon > 0.0) clip.low = clip.high = o.epsilon;
  if (o.epsilon_high > 0.0) clip.high = o.epsilon_high;
}

/// `KlPart`: Kl where the members have a beta, else NoKl.
template <class KlPart, class O>
PolicyLoss<AnyTerm, TokenRatio, KlPart> policy_loss(const O& o) {
  PolicyLoss<AnyTerm, TokenRatio, KlPart> loss;
  const auto clipped = [&](auto paper) {
    take_bounds(paper.term, o);
    take_values(loss, paper);
  };
  const auto refuse = [&](bool given, const char* member) {
    if (given) raise("loss_type = {} has no {}", o.loss_type.description(), member);
  };
  switch (o.loss_type) {
    case LossName::dapo:
      clipped(Dapo{});
      break;
    case LossName::dr_grpo:
      clipped(DrGrpo{});
      break;
    case LossName::cispo: {
      Cispo paper{};
      refuse(o.epsilon > 0.0, "epsilon; hint: epsilon_high is its cap");
      if (o.epsilon_high > 0.0) paper.term.cap = o.epsilon_high;
      take_values(loss, paper);
      break;
    }
    case LossName::sapo:
      refuse(o.epsilon > 0.0, "epsilon");
      refuse(o.epsilon_high > 0.0, "epsilon_high");
      take_values(loss, Sapo{});
      break;
    case LossName::grpo:
      o.use_dr_grpo ? clipped(DrGrpo{}) : clipped(Grpo{});
      break;
    default:
      raise("loss_type = {} is no loss on policies; hint: grpo, dapo, dr_grpo, cispo or sapo",
            o.loss_type.description());
  }
  if (loss.normalizer == Normalizer::constant) loss.max_length = o.max_tokens;
  if constexpr (KlPart::needs_reference) loss.kl.coefficient = o.beta;
  return loss;
}

template <class O>
auto prompts(const O& o, const RewardFunction& judge) {
  Rollouts<RewardSum<RewardFunction>> rollouts{
      .verifier = RewardSum{Weigh<RewardFunction>{judge, 1.0, judge.name()}},
      .validation_path = o.validation_data_path};
  rollouts.sampling.max_new_tokens = o.max_tokens;
  rollouts.sampling.temperature = o.temperature;
  return PromptsFromSources{o.data_path, rollouts};
}

}  // namespace detail

/// The whole of a recipe that samples and learns from rewards.
template <class O, class Fields>
RecipeResult train_policy(const O& o, const Fields& fields, const Callbacks& callbacks) {
  const Recipe recipe(o, fields, callbacks);
  auto data = detail::prompts(o, o.reward_fn);
  data.rollouts.group_size = o.num_generations;
  if (o.dynamic_sampling) data.rollouts.filter = GroupFilter::informative;
  const auto train = [&](const auto& loss) {
    return with_parameters(o, [&](const auto& params, const auto& save) {
      Trainer trainer(recipe.model(), loss, with_reference_for(loss, params), data,
                      recipe.optimizer(), recipe.options(), recipe.ranks());
      return recipe.run(trainer, save);
    });
  };
  return o.beta > 0.0 ? train(detail::policy_loss<Kl>(o)) : train(detail::policy_loss<NoKl>(o));
}

}  // namespace posttrain
