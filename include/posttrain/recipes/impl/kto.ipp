// SPDX-License-Identifier: Apache-2.0
// Definition of kto.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/answers.hpp"
#include "posttrain/losses/apo_zero_unpaired.hpp"
#include "posttrain/losses/bco.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/recipes/any_loss.hpp"
#include "posttrain/recipes/from_sources.hpp"
#include "posttrain/recipes/kto.hpp"
#include "posttrain/recipes/parameter_choice.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

static_assert(is_table_of<KtoOptions>(kKtoFields));

namespace detail {

inline AnyLoss<Kto, ApoZeroUnpaired, Bco> answer_loss(const KtoOptions& o) {
  const double beta = o.beta != 0.0 ? o.beta : Kto{}.beta;
  switch (o.loss_type) {
    case LossName::apo_zero_unpaired:
      return ApoZeroUnpaired{beta, o.desirable_weight, o.undesirable_weight};
    case LossName::bco:
      if (o.desirable_weight != 1.0 || o.undesirable_weight != 1.0) {
        fail("loss_type = bco has no weights of answers; hint: leave them out");
      }
      return Bco{beta};
    case LossName::kto:
      return Kto{beta, o.desirable_weight, o.undesirable_weight};
    default:
      raise("loss_type = {} is no loss on judged answers; hint: kto, apo_zero_unpaired or bco",
            o.loss_type.description());
  }
}

}  // namespace detail

POSTTRAIN_INLINE RecipeResult recipes::run(const KtoOptions& options, const Callbacks& callbacks) {
  const Recipe recipe(options, kKtoFields, callbacks);
  const FromSources data{options.data_path,
                         Answers{.validation_path = options.validation_data_path}};
  const auto loss = detail::answer_loss(options);
  return with_parameters(options, [&](const auto& params, const auto& save) {
    Trainer trainer(recipe.model(), loss, with_reference_for(loss, params), data,
                    recipe.optimizer(), recipe.options(), recipe.ranks());
    return recipe.run(trainer, save);
  });
}

}  // namespace posttrain
