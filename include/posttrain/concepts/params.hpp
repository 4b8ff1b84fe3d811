// SPDX-License-Identifier: Apache-2.0
// Requirements on a parameter policy and on the state that it makes.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/concepts/gives.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

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

/// Whether a policy, or one within it, has dropout.
template <class P>
constexpr bool drops_out(const P& policy) {
  if constexpr (requires { policy.dropout > 0.0; }) {
    if (policy.dropout > 0.0) return true;
  }
  if constexpr (requires { policy.lora; }) {
    if (drops_out(policy.lora)) return true;
  }
  if constexpr (requires { policy.critic_params; }) {
    if (drops_out(policy.critic_params)) return true;
  }
  if constexpr (requires { policy.params; }) return drops_out(policy.params);
  return false;
}

/// A policy whose numbers have no place in the model's checkpoint says `saves_model = false`.
template <class P>
constexpr bool saves_model() {
  if constexpr (requires { P::saves_model; }) return P::saves_model;
  return true;
}

}  // namespace posttrain
