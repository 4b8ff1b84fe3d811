// SPDX-License-Identifier: Apache-2.0
// The adapters that EstimateOptions describe.
#pragma once

#include "posttrain/params/lora/policy.hpp"
#include "posttrain/recipes/estimate_options.hpp"

namespace posttrain::detail {

/// A reward model's new head trains as a whole beside them.
template <class Storage>
BasicLora<Storage> chosen_adapters(const EstimateOptions& options, const Storage& storage) {
  BasicLora<Storage> lora;
  lora.rank = options.rank();
  lora.target_modules = options.target_modules;
  if (options.training_method == TrainingMethod::reward) lora.modules_to_save = "score";
  lora.storage = storage;
  return lora;
}

}  // namespace posttrain::detail
