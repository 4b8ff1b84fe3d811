// SPDX-License-Identifier: Apache-2.0
// Requirements on a model, and on a torch::nn::Module that becomes one.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <cstdint>

#include "posttrain/concepts/gives.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

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

}  // namespace posttrain
