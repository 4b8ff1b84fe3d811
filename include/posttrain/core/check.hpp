// SPDX-License-Identifier: Apache-2.0
// All compile-time messages of the library: whether five policies make a Trainer, and why not.
//
// One assertion per requirement, chained so that only the first unfulfilled one fires, each a plain
// bool so that compilers do not append the concept's reasons. A Trainer of refused policies derives
// from an inert class, so the message is the only error.
#pragma once

#include <type_traits>

#include "posttrain/core/concepts.hpp"
#include "posttrain/core/events.hpp"

namespace posttrain {

template <class Model, class Loss, class Params, class Data, class Optimizer>
constexpr bool check_trainer() {
  // loss
  constexpr bool batch = HasBatchType<Loss>;
  static_assert(batch, "posttrain: Loss needs `using Batch = TokenBatch;` [docs/concepts.md#loss]");
  constexpr bool local = DeclaresRowLocal<Loss>;
  static_assert(!batch || local,
                "posttrain: Loss needs `static constexpr bool row_local` [docs/concepts.md#loss]");
  constexpr bool ok1 = batch && local;
  constexpr bool counts = [] {
    if constexpr (ok1) return CountsBatch<Loss>;
    return false;
  }();
  static_assert(!ok1 || counts,
                "posttrain: Loss needs `double count(const Batch&) const` [docs/concepts.md#loss]");
  constexpr bool sums = [] {
    if constexpr (ok1) return SumsScores<Loss>;
    return false;
  }();
  static_assert(!(ok1 && counts) || sums,
                "posttrain: Loss needs `Tensor sum(const Scores&, const Batch&) const` "
                "[docs/concepts.md#loss]");
  constexpr bool loss_ok = ok1 && counts && sums;

  // parameters on this model
  constexpr bool attaches = AttachesTo<Params, Model>;
  static_assert(!loss_ok || attaches,
                "posttrain: Params needs `State attach(const auto& model) const` "
                "[docs/concepts.md#params]");
  constexpr bool lists = [] {
    if constexpr (attaches) return ListsTrainable<StateOf<Params, Model>>;
    return false;
  }();
  static_assert(!(loss_ok && attaches) || lists,
                "posttrain: Params' State needs `std::vector<ParameterGroup>& trainable()` and "
                "`void publish()` [docs/concepts.md#params]");
  constexpr bool names = [] {
    if constexpr (lists) return NamesTensors<StateOf<Params, Model>>;
    return false;
  }();
  static_assert(!(loss_ok && lists) || names,
                "posttrain: Params' State needs `std::vector<NamedTensor> weights() const` and "
                "`gradients() const` [docs/concepts.md#params]");
  constexpr bool params_ok = attaches && lists && names;

  // model under this gate
  constexpr bool hidden = [] {
    if constexpr (loss_ok && params_ok) {
      return ComputesHidden<Model, StateOf<Params, Model>, typename Loss::Batch>;
    }
    return false;
  }();
  static_assert(!(loss_ok && params_ok) || hidden,
                "posttrain: Model needs `Tensor hidden(const auto& gate, const Batch&) const` "
                "[docs/concepts.md#model]");
  constexpr bool logits = [] {
    if constexpr (hidden) return ComputesLogits<Model, StateOf<Params, Model>>;
    return false;
  }();
  static_assert(
      !hidden || logits,
      "posttrain: Model needs `Tensor logits(const auto& gate, const Tensor& rows) const` "
      "[docs/concepts.md#model]");
  constexpr bool model_ok = hidden && logits;

  // data, and its agreement with the loss
  constexpr bool data = LoadsSequences<Data> || OpensStream<Data>;
  static_assert(!model_ok || data,
                "posttrain: Data needs `data::LoadedData load(const data::LoadContext&) const` "
                "[docs/concepts.md#data]");
  constexpr bool agree = [] {
    if constexpr (loss_ok && data) {
      return std::is_same_v<typename Loss::Batch, typename BatchOfData<Data>::type>;
    }
    return false;
  }();
  static_assert(!(model_ok && data) || agree,
                "posttrain: Loss and Data disagree on the batch type [docs/concepts.md#batches]");

  // reference
  constexpr bool reference = !needs_reference<Loss>() || has_reference<Params>();
  static_assert(!(model_ok && data && agree) || reference,
                "posttrain: this Loss needs a reference model and these Params have none "
                "[docs/concepts.md#reference]");

  // optimizer
  constexpr bool optimizer = AttachesToGroups<Optimizer>;
  static_assert(
      !(model_ok && data && agree && reference) || optimizer,
      "posttrain: Optimizer needs `State attach(const std::vector<ParameterGroup>&) const` "
      "[docs/concepts.md#optimizer]");
  constexpr bool steps = [] {
    if constexpr (optimizer) return StepsGroups<Optimizer>;
    return false;
  }();
  static_assert(
      !(model_ok && data && agree && reference && optimizer) || steps,
      "posttrain: Optimizer's State needs `void step(std::vector<ParameterGroup>&, double "
      "learning_rate, double grad_factor)` [docs/concepts.md#optimizer]");
  return model_ok && data && agree && reference && optimizer && steps;
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
  constexpr bool hears = AnswersSomething<Callback>;
  constexpr bool known = hears || HooksUnknown<Callback>;
  static_assert(known,
                "posttrain: a callback needs `void on(event::AfterStep)` or another event "
                "[docs/concepts.md#events]");
  return hears;
}

}  // namespace posttrain
