// SPDX-License-Identifier: Apache-2.0
// Requirements on an optimizer and on its state.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <utility>
#include <vector>

#include "posttrain/concepts/gives.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

template <class O>
concept AttachesToGroups = requires(const O& optimizer, const std::vector<ParameterGroup>& groups) {
  optimizer.attach(groups);
};

template <class O>
using OptimizerStateOf =
    decltype(std::declval<const O&>().attach(std::declval<const std::vector<ParameterGroup>&>()));

/// A step that takes what gradients are multiplied by as a number of the host, or as a
/// GradientScale (optim/gradient_scale.hpp), for which nothing waits.
template <class O>
concept StepsGroups = requires(OptimizerStateOf<O>& state, std::vector<ParameterGroup>& groups) {
  state.step(groups, 1e-5, 1.0);
};

template <class State, class Scale>
concept StepsWithScale = requires(State& state, std::vector<ParameterGroup>& groups,
                                  const Scale& scale) {
  state.step(groups, 1e-5, scale);
};

template <class O>
concept NamesMoments = requires(const OptimizerStateOf<O>& state) {
  { state.tensors() } -> Gives<std::vector<NamedTensor>>;
};

}  // namespace posttrain
