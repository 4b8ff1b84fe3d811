// SPDX-License-Identifier: Apache-2.0
// All compile-time messages of the library: whether five policies make a Trainer, and why not.
//
// One assertion per requirement, chained so that only the first unfulfilled one fires, each of
// plain bools so that compilers do not append the concept's reasons. A Trainer of refused policies
// derives from an inert class, so the message is the only error.
#pragma once

#include <type_traits>

#include "posttrain/concepts/batch.hpp"
#include "posttrain/concepts/data.hpp"
#include "posttrain/concepts/events.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/model.hpp"
#include "posttrain/concepts/optimizer.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/concepts/rollout.hpp"

namespace posttrain {

template <class Loss>
constexpr bool check_loss() {
  constexpr bool batch = HasBatchType<Loss>;
  static_assert(batch, "posttrain: Loss needs `using Batch = TokenBatch;` [docs/concepts.md#loss]");
  constexpr bool values = batch && (!NamesLosses<Loss> || (CountsBatch<Loss> && SumsScores<Loss>));
  static_assert(!batch || values,
                "posttrain: `losses` of a Loss takes `const PairScores&`, or `const Scores&, const "
                "Batch&` [docs/concepts.md#loss]");
  constexpr bool local = values && DeclaresRowLocal<Loss>;
  static_assert(!values || local,
                "posttrain: Loss needs `static constexpr bool row_local` [docs/concepts.md#loss]");
  constexpr bool counts = local && CountsBatch<Loss>;
  static_assert(!local || counts,
                "posttrain: Loss needs `double count(const Batch&) const` [docs/concepts.md#loss]");
  constexpr bool sums = counts && SumsScores<Loss>;
  static_assert(!counts || sums,
                "posttrain: Loss needs `Tensor sum(const Scores&, const Batch&) const` "
                "[docs/concepts.md#loss]");
  constexpr bool moves = sums && (!NamesRunState<Loss> || MovesWithRun<Loss>);
  static_assert(!sums || moves,
                "posttrain: a Loss that moves with the run needs `first_state`, `next_state` and "
                "`in_state` [docs/concepts.md#loss]");
  return moves;
}

template <class Batch>
constexpr bool check_batch() {
  constexpr bool counts = CountsTokens<Batch>;
  static_assert(counts,
                "posttrain: Batch needs `std::int64_t tokens() const` and `predictions() const` "
                "[docs/concepts.md#batches]");
  constexpr bool predicts = counts && ListsPredictions<Batch>;
  static_assert(!counts || predicts,
                "posttrain: Batch needs `Tensor row` and `Tensor target` "
                "[docs/concepts.md#batches]");
  constexpr bool samples = predicts && NamesSamples<Batch>;
  static_assert(!predicts || samples,
                "posttrain: Batch needs `std::vector<std::int64_t> samples` "
                "[docs/concepts.md#batches]");
  constexpr bool slices = samples && CutsSlices<Batch>;
  static_assert(!samples || slices,
                "posttrain: Batch needs `Batch slice(std::int64_t begin, std::int64_t end) const` "
                "[docs/concepts.md#batches]");
  constexpr bool moves = slices && MovesToDevice<Batch>;
  static_assert(!slices || moves,
                "posttrain: Batch needs `Batch to(at::Device) const` [docs/concepts.md#batches]");
  return moves;
}

template <class State>
constexpr bool check_state() {
  constexpr bool lists = ListsTrainable<State>;
  static_assert(lists,
                "posttrain: Params' State needs `std::vector<ParameterGroup>& trainable()` and "
                "`void publish()` [docs/concepts.md#params]");
  constexpr bool shows = lists && ShowsTrainable<State>;
  static_assert(!lists || shows,
                "posttrain: Params' State needs `const std::vector<ParameterGroup>& trainable() "
                "const` [docs/concepts.md#params]");
  constexpr bool names = shows && NamesTensors<State>;
  static_assert(!shows || names,
                "posttrain: Params' State needs `std::vector<NamedTensor> weights() const` and "
                "`gradients() const` [docs/concepts.md#params]");
  constexpr bool returns = names && hooks_return_well<State>();
  static_assert(!names || returns,
                "posttrain: a hook returns void or event::Request, on event::TrainEnd void "
                "[docs/concepts.md#events]");
  if constexpr (returns) return check_facets<State>();
  return false;
}

template <class Params, class Model>
constexpr bool check_params() {
  constexpr bool train = trains<Params>();
  static_assert(train,
                "posttrain: these Params train nothing; they are for models that are only read "
                "[docs/parameters.md#frozen]");
  constexpr bool stores = train && has_storage<Params>();
  static_assert(!train || stores,
                "posttrain: the storage of these Params is none: Dense, Nf4, Int8 and Gguf are "
                "[docs/parameters.md#quantised-storage]");
  // The errors that a wrong storage leads to would only repeat this one.
  if constexpr (stores) {
    constexpr bool attaches = AttachesTo<Params, Model>;
    static_assert(attaches,
                  "posttrain: Params needs `State attach(const auto& model) const` "
                  "[docs/concepts.md#params]");
    if constexpr (attaches) return check_state<StateOf<Params, Model>>();
  }
  return false;
}

/// Whether the model's head gives what the loss is made of.
template <class Model, class Batch>
constexpr bool check_head() {
  constexpr bool has_rewards = predicts_rewards<Model>() || !predicts_rewards<Batch>();
  static_assert(has_rewards,
                "posttrain: this Loss is on rewards and this Model predicts tokens; take a "
                "hub::RewardModel [docs/models.md#reward-models]");
  constexpr bool has_tokens = !predicts_rewards<Model>() || predicts_rewards<Batch>();
  static_assert(has_tokens,
                "posttrain: this Loss is on tokens and this Model gives rewards; take a Loss on "
                "rewards [docs/losses.md#bradleyterry]");
  return has_rewards && has_tokens;
}

/// The model under the gate of these parameters; one with a layout goes through the gate.
template <class Model, class State, class Batch>
constexpr bool check_model() {
  if constexpr (requires(const Model& model) { model.layout(); }) {
    if constexpr (!check_gate<State>()) return false;
  }
  constexpr bool hidden = ComputesHidden<Model, State, Batch>;
  static_assert(hidden,
                "posttrain: Model needs `Tensor hidden(const auto& gate, const Batch&) const` "
                "[docs/concepts.md#model]");
  constexpr bool logits = hidden && ComputesLogits<Model, State>;
  static_assert(
      !hidden || logits,
      "posttrain: Model needs `Tensor logits(const auto& gate, const Tensor& rows) const` "
      "[docs/concepts.md#model]");
  constexpr bool device = logits && KnowsDevice<Model>;
  static_assert(!logits || device,
                "posttrain: Model needs `at::Device device() const` [docs/concepts.md#model]");
  return device && check_head<Model, Batch>();
}

/// The data, and its agreement with the loss. `View`: the policy as a stream that rolls out sees
/// it.
template <class Data, class Batch, class View>
constexpr bool check_data() {
  constexpr bool data = LoadsSequences<Data> || LoadsItems<Data> || OpensStream<Data>;
  static_assert(data,
                "posttrain: Data needs `data::LoadedData load(const data::LoadContext&) const` "
                "[docs/concepts.md#data]");
  constexpr bool agree = data && std::is_same_v<Batch, typename BatchOfData<Data>::type>;
  static_assert(!data || agree,
                "posttrain: Loss and Data disagree on the batch type [docs/concepts.md#batches]");
  constexpr bool streams = [] {
    if constexpr (agree && OpensStream<Data>) {
      return RollsOut<StreamOf<Data>, View> || StreamsBatches<StreamOf<Data>, Batch>;
    }
    return agree;
  }();
  static_assert(!agree || streams,
                "posttrain: Data's Stream needs the members of `data::TokenStream` "
                "[docs/concepts.md#data]");
  return streams;
}

/// What rollouts need of model, loss and parameters.
template <class Model, class Loss, class Params, class Data, class View>
constexpr bool check_rollouts() {
  if constexpr (OpensStream<Data>) {
    if constexpr (RollsOut<StreamOf<Data>, View>) {
      constexpr bool judges = std::is_same_v<typename Data::Batch, RolloutBatch>;
      constexpr bool estimates = !judges || EstimatesAdvantages<Loss>;
      static_assert(estimates,
                    "posttrain: a Loss on rollouts needs `Advantages advantages(const Rollout&) "
                    "const` and `RolloutNeeds rollout_needs() const` [docs/concepts.md#rollouts]");
      return estimates;
    }
  }
  return true;
}

template <class Loss, class Params>
constexpr bool check_reference() {
  constexpr bool reference = !needs_reference<Loss>() || has_reference<Params>();
  static_assert(reference,
                "posttrain: this Loss needs a reference model and these Params have none "
                "[docs/concepts.md#reference]");
  return reference;
}

/// `State`: of the parameters.
template <class Loss, class State>
constexpr bool check_critic() {
  constexpr bool critic = !needs_critic<Loss>() || EstimatesValues<State>;
  static_assert(critic,
                "posttrain: this Loss trains a critic and these Params have none; take WithCritic "
                "[docs/parameters.md#critics]");
  return critic;
}

template <class Loss, class State>
constexpr bool check_teacher() {
  constexpr bool teacher = !needs_teacher<Loss>() || HasTeacher<State>;
  static_assert(teacher,
                "posttrain: this Loss compares with a teacher and these Params have none; take "
                "WithTeacher [docs/parameters.md#teachers]");
  return teacher;
}

template <class Optimizer>
constexpr bool check_optimizer() {
  constexpr bool attaches = AttachesToGroups<Optimizer>;
  static_assert(
      attaches,
      "posttrain: Optimizer needs `State attach(const std::vector<ParameterGroup>&) const` "
      "[docs/concepts.md#optimizer]");
  constexpr bool steps = attaches && StepsGroups<Optimizer>;
  static_assert(
      !attaches || steps,
      "posttrain: Optimizer's State needs `void step(std::vector<ParameterGroup>&, double "
      "learning_rate, double grad_factor)` [docs/concepts.md#optimizer]");
  constexpr bool names = steps && NamesMoments<Optimizer>;
  static_assert(!steps || names,
                "posttrain: Optimizer's State needs `std::vector<NamedTensor> tensors() const` "
                "[docs/concepts.md#optimizer]");
  return names;
}

template <class Model, class Loss, class Params, class Data, class Optimizer>
constexpr bool check_trainer() {
  if constexpr (!check_loss<Loss>()) {
    return false;
  } else if constexpr (!check_batch<typename Loss::Batch>()) {
    return false;
  } else if constexpr (!check_params<Params, Model>()) {
    return false;
  } else if constexpr (!check_model<Model, StateOf<Params, Model>, typename Loss::Batch>()) {
    return false;
  } else if constexpr (!check_data<Data, typename Loss::Batch,
                                   PolicyView<Model, StateOf<Params, Model>, Loss>>()) {
    return false;
  } else if constexpr (!check_rollouts<Model, Loss, Params, Data,
                                       PolicyView<Model, StateOf<Params, Model>, Loss>>()) {
    return false;
  } else if constexpr (!check_reference<Loss, Params>()) {
    return false;
  } else if constexpr (!check_critic<Loss, StateOf<Params, Model>>()) {
    return false;
  } else if constexpr (!check_teacher<Loss, StateOf<Params, Model>>()) {
    return false;
  } else {
    return check_optimizer<Optimizer>();
  }
}

/// A user's module for models::TorchModule.
template <class Module>
constexpr bool check_module() {
  constexpr bool reads = ReadsTokens<Module>;
  static_assert(reads,
                "posttrain: a module needs `Tensor hidden(Tensor ids, Tensor positions, Tensor "
                "mask)` [docs/concepts.md#torch-module]");
  constexpr bool projects = ProjectsRows<Module>;
  static_assert(!reads || projects,
                "posttrain: a module needs `Tensor logits(Tensor rows)` "
                "[docs/concepts.md#torch-module]");
  return reads && projects;
}

/// A callback must answer to an event. One with a misspelt event has its error already.
template <class Callback>
constexpr bool check_callback() {
  constexpr bool hears = HearsSomething<Callback>;
  constexpr bool known = hears || HooksUnknown<Callback>;
  static_assert(known,
                "posttrain: a callback needs `void on(event::AfterStep)` or another event "
                "[docs/concepts.md#events]");
  constexpr bool returns = hears && hooks_return_well<Callback>();
  static_assert(!hears || returns,
                "posttrain: a hook returns void or event::Request, on event::TrainEnd void "
                "[docs/concepts.md#events]");
  return returns;
}

}  // namespace posttrain
