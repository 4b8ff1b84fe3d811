// SPDX-License-Identifier: Apache-2.0
// What a run's options say before anything is read: checks of every policy and of one against
// another, and what data policies are told. And how the ranks of a run are joined.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/version.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/distributed/ranks.hpp"
#include "posttrain/trainer/gradient_sum.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/run/record.hpp"
#include "posttrain/trainer/shards.hpp"
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

/// The ranks of the run, for tensors of the model's device.
template <class Model>
Team team_of(const Ranks& ranks, const Model& model) {
  ranks.validate();
  if constexpr (requires { model.device(); }) {
    return Team(join_ranks(ranks, model.device()));
  } else {
    return Team(join_ranks(ranks));
  }
}

/// How the gradients of a state are added up.
template <class State>
GradientSum gradient_sum_of(const Team& team, const Ranks& ranks, const State& state) {
  if (team.alone()) return {};
  std::vector<NamedTensor> gradients;
  if constexpr (requires { state.gradients(); }) gradients = state.gradients();
  const bool cuts = ranks.sharding != Ranks::Sharding::none;
  return {team.communicator(),
          state.trainable(),
          gradients,
          {.bytes = ranks.bucket,
           .overlap = ranks.overlap,
           .multiple = cuts ? team.size() * Shards::kBlock : 0}};
}

/// What the optimizer of this rank has of a state.
template <class State>
Shards shards_of(const Team& team, const Ranks& ranks, State& state, const GradientSum& sum) {
  if (team.alone() || ranks.sharding == Ranks::Sharding::none) return {};
  return {team.communicator(), state, sum};
}

/// Throws unless all ranks do the same run and stand at the same step of it.
inline void check_ranks(const Team& team, const Ranks& ranks, const Options& options,
                        const RunRecord& identity, std::int64_t step) {
  if (team.alone()) return;
  RunRecord how;
  how.add("sharding", enum_name(ranks.sharding));
  how.add("overlap", ranks.overlap);
  how.add("bucket", ranks.bucket);
  RunRecord record;  // a copy of `identity` would share its fields
  record.add("options", to_record(options).without({"cache_dir", "tensorboard_log_dir"}));
  record.add("identity", identity);
  record.add("ranks", how);
  record.add("version", std::string_view(kVersion));
  record.add("step", step);
  team.check_same(record);
}

}  // namespace posttrain
