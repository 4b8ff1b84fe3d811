// SPDX-License-Identifier: Apache-2.0
// Requirements on a batch: what the engine and the head read of it.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include "posttrain/concepts/gives.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

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

}  // namespace posttrain
