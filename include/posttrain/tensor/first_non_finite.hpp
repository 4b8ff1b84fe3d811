// SPDX-License-Identifier: Apache-2.0
// The first value of a model's weights that is NaN or infinite: what a loss that is not finite at
// the first step comes from, when a checkpoint is damaged.
//
// Weights are not examined where they are loaded: it would read all of them once more in every run,
// and refuse checkpoints whose damaged rows nobody looks up. Whoever meets a loss that is not
// finite asks here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// A value that is not finite, by its place in the checkpoint's shape.
struct NonFinite {
  std::string name;
  std::vector<std::int64_t> index;
  double value = 0.0;

  /// "model.safetensors: tensor 'lm_head.weight' has nan at [3, 17]"; `file` may be empty.
  std::string text(std::string_view file = "") const;
};

/// The first of one tensor, in its logical order; nothing for integers. Takes as many bytes as the
/// tensor has elements where there is one.
std::optional<NonFinite> first_non_finite(const NamedTensor& tensor);

/// The first of what a state computes with: its base and what trains beside it, or its weights. One
/// tensor at a time where the state can (`first_non_finite()` of params/weights/model_weights.hpp).
template <class State>
std::optional<NonFinite> first_non_finite_of(const State& state) {
  std::vector<NamedTensor> tensors;
  if constexpr (requires { state.first_non_finite(); }) {
    return state.first_non_finite();
  } else if constexpr (requires { state.base().first_non_finite(); }) {
    if (auto found = state.base().first_non_finite()) return found;
    if constexpr (requires { state.tensors(); }) tensors = state.tensors();
  } else if constexpr (requires { state.weights(); }) {
    tensors = state.weights();
  }
  for (const NamedTensor& tensor : tensors) {
    if (auto found = first_non_finite(tensor)) return found;
  }
  return std::nullopt;
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/first_non_finite.ipp"
#endif
