// SPDX-License-Identifier: Apache-2.0
// What a run's options say before anything is read: checks of every policy and of one against
// another, and what data policies are told.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

/// Throws where a value of a policy or of the options is bad, or where two of them conflict.
/// `takes_call`: whether the model's `hidden` takes a ModelCall.
template <class Loss, class Params, class Data, class Optimizer>
void check_set_up(const Options& options, const Loss& loss, const Params& params, const Data& data,
                  const Optimizer& optimizer, bool takes_call) {
  const auto validate_if_possible = [](const auto& policy) {
    if constexpr (requires { policy.validate(); }) policy.validate();
  };
  validate_if_possible(loss);
  validate_if_possible(params);
  validate_if_possible(data);
  validate_if_possible(optimizer);
  options.validate();
  if (!takes_call && (options.neftune_noise_alpha > 0.0 || options.gradient_checkpointing)) {
    fail(
        "neftune_noise_alpha and gradient_checkpointing need a model whose `hidden` takes a "
        "ModelCall; hint: docs/concepts.md#model");
  }
  if (!saves_model<Params>() && options.save_best) {
    fail(
        "save_best writes whole models, which have no place for these parameters; hint: save "
        "them in a callback on event::Evaluated");
  }
  if constexpr (EstimatesAdvantages<Loss>) {
    if (options.neftune_noise_alpha > 0.0 || drops_out(params)) {
      fail(
          "expected neftune_noise_alpha = 0 and no dropout: the policy that trains would be "
          "another one than that which wrote the samples");
    }
  }
}

/// Throws where an option needs a validation set and the data have none.
inline void check_validation(const Options& options, bool has_validation) {
  if (has_validation) return;
  if (options.early_stopping_patience > 0) {
    fail(
        "early_stopping_patience needs validation, and the data have none; hint: "
        "validation_split, or the data policy's validation_path");
  }
  if (options.save_best) {
    fail(
        "save_best needs validation, and the data have none; hint: validation_split, or the data "
        "policy's validation_path");
  }
}

/// What the data policies of a run are told.
template <class Model>
data::LoadContext load_context(const Options& options, const Model& model, const Team& team) {
  data::LoadContext context;
  if constexpr (requires { model.text(); }) context.text = model.text();
  context.max_seq_len = options.max_seq_len;
  context.truncate = options.truncate;
  context.max_tokens_per_batch = options.max_tokens_per_batch;
  context.ranks = team.communicator().get();
  context.seed = options.seed;
  context.validation_split = options.validation_split;
  context.skip_bad_samples = options.skip_bad_samples;
  context.deduplicate = options.deduplicate;
  context.cache_dir = options.cache_dir.view();
  return context;
}

}  // namespace posttrain
