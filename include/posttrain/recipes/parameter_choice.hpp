// SPDX-License-Identifier: Apache-2.0
// Which parameters a recipe trains, by its members: adapters with lora_r, the complement of what
// the model knows with unfreeze_rank_ratio, all weights with neither.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/recipes/field_table.hpp"
#include "posttrain/recipes/recipe.hpp"
#include "posttrain/recipes/save_adapter.hpp"
#include "posttrain/storage/nf4.hpp"

namespace posttrain {

/// use(policy, save) with the policy, and with how its result is saved.
template <class O, class Use>
auto with_parameters(const O& o, const Use& use) {
  const bool lora = o.lora_r > 0, osft = o.unfreeze_rank_ratio > 0.0;
  if (lora && osft) {
    fail("expected lora_r or unfreeze_rank_ratio, got both: they choose what trains");
  }
  if (!lora && !osft && o.load_in_4bit) {
    fail("load_in_4bit stores what is frozen, and all weights train; hint: lora_r");
  }
  if (lora) {
    const Lora adapter{.rank = o.lora_r,
                       .alpha = o.lora_alpha,
                       .target_modules = o.target_modules,
                       .seed = o.seed};
    const SaveAdapter save{o.model_path.str()};
    return o.load_in_4bit ? use(with_storage(adapter, Nf4{}), save) : use(adapter, save);
  }
  if (osft) {
    const double ratio = o.unfreeze_rank_ratio;
    return o.load_in_4bit ? use(BasicOsft<Nf4>{.unfreeze_rank_ratio = ratio}, SaveModel{})
                          : use(Osft{.unfreeze_rank_ratio = ratio}, SaveModel{});
  }
  return use(Full{}, SaveModel{});
}

/// `params`, with a frozen copy of the model where the loss compares with a reference and they have
/// none.
template <class Loss, class Params>
auto with_reference_for(const Loss&, const Params& params) {
  if constexpr (needs_reference<Loss>() && !has_reference<Params>()) {
    return WithFrozenReference<Params>{params};
  } else {
    return params;
  }
}

}  // namespace posttrain
