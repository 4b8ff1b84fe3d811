// SPDX-License-Identifier: Apache-2.0
// Requirements of a Trainer on its policies, as small concepts named by their question.
//
// They read signatures only: write the return type of every policy operation, so that a mistake in
// its body is an error in the body. docs/concepts.md explains each; concepts/check.hpp turns an
// unfulfilled one into its one message.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/concepts/kind.hpp"
#include "posttrain/concepts/layout.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

/// An expression of this type, by value or by reference.
template <class Expression, class Type>
concept Gives = std::same_as<std::remove_cvref_t<Expression>, Type>;

// --- loss --------------------------------------------------------------------------------------

template <class L>
concept HasBatchType = requires {
  typename L::Batch;
};

/// One count for each term of a sum of losses (losses/loss_sum.hpp) instead of one.
template <class L>
concept CountsTerms = requires(const L& loss, const typename L::Batch& batch) {
  { loss.counts(batch) } -> std::same_as<std::vector<double>>;
};

/// A loss that couples all sequences of an optimizer step: `gather` sees the scores of all
/// micro-batches before the first backward pass, and `sum` gets what it made of them.
template <class L>
concept GathersStatistics = requires(const L& loss,
                                     const std::vector<Scored<typename L::Batch>>& scored) {
  typename L::Statistics;
  { loss.gather(scored) } -> std::same_as<typename L::Statistics>;
};

namespace detail {
template <class L>
struct StatisticsOf {
  struct type {};
};
template <class L>
requires requires { typename L::Statistics; }
struct StatisticsOf<L> {
  using type = typename L::Statistics;
};
}  // namespace detail

template <class L>
using StatisticsOf = typename detail::StatisticsOf<L>::type;

/// One value for each pair of a batch, from the scores of its answers alone (losses/terms).
template <class L>
concept ValuesPairs = std::same_as<typename L::Batch, PairBatch> &&
    requires(const L& loss, const PairScores& pairs, const StatisticsOf<L>& statistics) {
  requires requires {
    { loss.losses(pairs) } -> std::same_as<Tensor>;
  } || requires {
    { loss.losses(pairs, statistics) } -> std::same_as<Tensor>;
  };
};

/// One value for each item of a batch (pair, answer): `losses` instead of `count` and `sum`.
template <class L>
concept ValuesItems = ValuesPairs<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             const StatisticsOf<L>& statistics) {
  { batch.items() } -> std::convertible_to<std::int64_t>;
  requires requires {
    { loss.losses(scores, batch) } -> std::same_as<Tensor>;
  } || requires {
    { loss.losses(scores, batch, statistics) } -> std::same_as<Tensor>;
  };
};

/// A loss with a public member `losses`, of whatever signature.
template <class L>
concept NamesLosses = requires {
  &L::losses;
};

/// Whether a prediction's term needs no other one. That of an item needs all of its predictions.
template <class L>
concept DeclaresRowLocal = ValuesItems<L> || requires {
  { L::row_local } -> std::convertible_to<bool>;
};

template <class L>
constexpr bool row_local() {
  if constexpr (ValuesItems<L>) {
    return false;
  } else {
    return L::row_local;
  }
}

template <class L>
concept CountsBatch = CountsTerms<L> || ValuesItems<L> ||
    requires(const L& loss, const typename L::Batch& batch) {
  { loss.count(batch) } -> std::convertible_to<double>;
};

template <class L>
concept SumsScores = ValuesItems<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             const StatisticsOf<L>& statistics, const std::vector<double>& counts) {
  requires requires {
    { loss.sum(scores, batch) } -> std::same_as<Tensor>;
  } || requires {
    { loss.sum(scores, batch, statistics) } -> std::same_as<Tensor>;
  } || requires {
    { loss.mean(scores, batch, std::span(counts), statistics) } -> std::same_as<Tensor>;
  };
};

/// A loss with metrics (base/metric_means.hpp): its own, or those of every loss on pairs.
template <class L>
concept MeasuresScores = ValuesPairs<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             MetricMeans& means) {
  loss.measure(scores, batch, means);
};

template <class L>
concept LossPolicy = HasBatchType<L> && DeclaresRowLocal<L> && CountsBatch<L> && SumsScores<L>;

/// A loss that compares with a reference says `static constexpr bool needs_reference = true`.
template <class L>
constexpr bool needs_reference() {
  if constexpr (requires { L::needs_reference; }) return L::needs_reference;
  return false;
}

// --- batches -----------------------------------------------------------------------------------

template <class B>
concept CountsTokens = requires(const B& batch) {
  { batch.tokens() } -> std::convertible_to<std::int64_t>;
  { batch.predictions() } -> std::convertible_to<std::int64_t>;
};

template <class B>
concept ListsPredictions = requires(const B& batch) {
  { batch.row } -> Gives<Tensor>;
  { batch.target } -> Gives<Tensor>;
};

template <class B>
concept NamesSamples = requires(const B& batch) {
  { batch.samples } -> Gives<std::vector<std::int64_t>>;
};

template <class B>
concept CutsSlices = requires(const B& batch) {
  { batch.slice(std::int64_t{}, std::int64_t{}) } -> Gives<B>;
};

template <class B>
concept MovesToDevice = requires(const B& batch, const c10::Device& device) {
  { batch.to(device) } -> Gives<B>;
};

/// A batch says `static constexpr bool predicts_rewards = true` if its predictions are rewards of
/// what was read and have no target token; a model, if its head gives one number instead of logits.
template <class BatchOrModel>
constexpr bool predicts_rewards() {
  if constexpr (requires { BatchOrModel::predicts_rewards; }) return BatchOrModel::predicts_rewards;
  return false;
}

// --- parameters --------------------------------------------------------------------------------

/// How frozen matrices are stored (storage/dense.hpp).
template <class S>
concept StoresMatrices = requires(const S& storage) {
  { S::dense } -> std::convertible_to<bool>;
  typename S::Matrix;
  storage.validate();
};

/// Parameters whose storage is one; those without a field `storage` pass, too.
template <class P>
constexpr bool has_storage() {
  if constexpr (requires(const P& params) { params.storage; }) {
    return StoresMatrices<std::remove_cvref_t<decltype(std::declval<const P&>().storage)>>;
  }
  return true;
}

template <class P, class M>
concept AttachesTo = requires(const P& params, const M& model) {
  params.attach(model);
};

template <class P, class M>
using StateOf = decltype(std::declval<const P&>().attach(std::declval<const M&>()));

template <class S>
concept ListsTrainable = requires(S& state) {
  { state.trainable() } -> std::same_as<std::vector<ParameterGroup>&>;
  state.publish();
};

template <class S>
concept ShowsTrainable = requires(const S& state) {
  { state.trainable() } -> Gives<std::vector<ParameterGroup>>;
};

template <class S>
concept NamesTensors = requires(const S& state) {
  { state.weights() } -> std::same_as<std::vector<NamedTensor>>;
  { state.gradients() } -> std::same_as<std::vector<NamedTensor>>;
};

/// A policy for models that are only read says `static constexpr bool trains = false`.
template <class P>
constexpr bool trains() {
  if constexpr (requires { P::trains; }) return P::trains;
  return true;
}

template <class P>
constexpr bool has_reference() {
  if constexpr (requires { P::has_reference; }) return P::has_reference;
  return false;
}

/// A policy whose numbers have no place in the model's checkpoint says `saves_model = false`.
template <class P>
constexpr bool saves_model() {
  if constexpr (requires { P::saves_model; }) return P::saves_model;
  return true;
}

// --- model -------------------------------------------------------------------------------------

template <class M, class S, class B>
concept ComputesHidden = requires(const M& model, const S& state, const B& batch) {
  { model.hidden(state, batch) } -> std::same_as<Tensor>;
};

template <class M, class S>
concept ComputesLogits = requires(const M& model, const S& state, const Tensor& rows) {
  { model.logits(state, rows) } -> std::same_as<Tensor>;
  { model.vocab_size() } -> std::convertible_to<std::int64_t>;
};

template <class M>
concept KnowsDevice = requires(const M& model) {
  { model.device() } -> Gives<c10::Device>;
};

/// A torch::nn::Module that models/torch_module.hpp can make a model of.
template <class M>
concept ReadsTokens = requires(M& module, const Tensor& ids, const Tensor& positions,
                               const Tensor& mask) {
  { module.hidden(ids, positions, mask) } -> std::convertible_to<Tensor>;
};

template <class M>
concept ProjectsRows = requires(M& module, const Tensor& rows) {
  { module.logits(rows) } -> std::convertible_to<Tensor>;
};

// --- data --------------------------------------------------------------------------------------

/// Loads tokenized sequences; the library samples, packs and batches them.
template <class D>
concept LoadsSequences = requires(const D& policy, const data::LoadContext& context) {
  { policy.load(context) } -> std::same_as<data::LoadedData>;
};

/// Loads tokenized items of another kind (concepts/kind.hpp).
template <class D>
concept LoadsItems = requires(const D& policy, const data::LoadContext& context) {
  policy.load(context);
  { policy.kind() } -> ItemKind;
};

/// Makes its batches itself: names their type and opens a stream of optimizer steps.
template <class D>
concept OpensStream = requires(const D& policy, const data::LoadContext& context) {
  typename D::Batch;
  policy.open(context, std::int64_t{});
};

template <class D>
using StreamOf = decltype(std::declval<const D&>().open(std::declval<const data::LoadContext&>(),
                                                        std::int64_t{}));

/// A stream as the trainer reads it (data/pipeline/stream.hpp).
template <class S, class B>
concept StreamsBatches = requires(S& stream, const S& constant,
                                  const data::SamplerPosition& position) {
  { stream.next() } -> Gives<std::optional<std::vector<B>>>;
  { stream.position() } -> Gives<data::SamplerPosition>;
  stream.seek(position);
  { stream.steps_per_epoch() } -> std::convertible_to<std::int64_t>;
  { stream.at_epoch_end() } -> std::convertible_to<bool>;
  { stream.has_validation() } -> std::convertible_to<bool>;
  { stream.validation() } -> Gives<std::vector<B>>;
  { constant.report() } -> Gives<data::DataReport>;
};

template <class D>
struct BatchOfData {
  using type = TokenBatch;
};
template <LoadsItems D>
struct BatchOfData<D> {
  using type = typename decltype(std::declval<const D&>().kind())::Batch;
};
template <OpensStream D>
struct BatchOfData<D> {
  using type = typename D::Batch;
};

// --- optimizer ---------------------------------------------------------------------------------

template <class O>
concept AttachesToGroups = requires(const O& optimizer, const std::vector<ParameterGroup>& groups) {
  optimizer.attach(groups);
};

template <class O>
using OptimizerStateOf =
    decltype(std::declval<const O&>().attach(std::declval<const std::vector<ParameterGroup>&>()));

template <class O>
concept StepsGroups = requires(OptimizerStateOf<O>& state, std::vector<ParameterGroup>& groups) {
  state.step(groups, 1e-5, 1.0);
};

template <class O>
concept NamesMoments = requires(const OptimizerStateOf<O>& state) {
  { state.tensors() } -> Gives<std::vector<NamedTensor>>;
};

}  // namespace posttrain
