// SPDX-License-Identifier: Apache-2.0
// What a Trainer asks of its policies, as small concepts named by their question.
//
// They read signatures only: write the return type of every policy operation, so that a mistake in
// its body is an error in the body. docs/concepts.md explains each; core/check.hpp turns an
// unfulfilled one into its one message.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/core/layout.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

// --- loss --------------------------------------------------------------------------------------

template <class L>
concept HasBatchType = requires {
  typename L::Batch;
};

template <class L>
concept DeclaresRowLocal = requires {
  { L::row_local } -> std::convertible_to<bool>;
};

template <class L>
concept CountsBatch = requires(const L& loss, const typename L::Batch& batch) {
  { loss.count(batch) } -> std::convertible_to<double>;
};

template <class L>
concept SumsScores = requires(const L& loss, const Scores& scores, const typename L::Batch& batch) {
  { loss.sum(scores, batch) } -> std::same_as<Tensor>;
};

template <class L>
concept LossPolicy = HasBatchType<L> && DeclaresRowLocal<L> && CountsBatch<L> && SumsScores<L>;

/// A loss that compares with a reference says `static constexpr bool needs_reference = true`.
template <class L>
constexpr bool needs_reference() {
  if constexpr (requires { L::needs_reference; }) return L::needs_reference;
  return false;
}

// --- parameters --------------------------------------------------------------------------------

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
concept NamesTensors = requires(const S& state) {
  { state.weights() } -> std::same_as<std::vector<NamedTensor>>;
  { state.gradients() } -> std::same_as<std::vector<NamedTensor>>;
};

template <class P>
constexpr bool has_reference() {
  if constexpr (requires { P::has_reference; }) return P::has_reference;
  return false;
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

/// Loads tokenised sequences; the library samples, packs and batches them.
template <class D>
concept LoadsSequences = requires(const D& policy, const data::LoadContext& context) {
  { policy.load(context) } -> std::same_as<data::LoadedData>;
};

/// Makes its batches itself: names their type and opens a stream of optimizer steps.
template <class D>
concept OpensStream = requires(const D& policy, const data::LoadContext& context) {
  typename D::Batch;
  policy.open(context, std::int64_t{});
};

template <class D>
struct BatchOfData {
  using type = TokenBatch;
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
concept StepsGroups = requires(const O& optimizer, std::vector<ParameterGroup>& groups) {
  optimizer.attach(groups).step(groups, 1e-5, 1.0);
};

}  // namespace posttrain
