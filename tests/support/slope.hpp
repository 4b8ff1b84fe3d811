// SPDX-License-Identifier: Apache-2.0
// The derivative of a number along a fixed direction through all trained parameters: by their
// gradients, and by differences.
#pragma once

#include <cstdint>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "support/catch.hpp"

namespace posttrain::test {

namespace detail {
inline Tensor direction_of(const ParameterGroup& group) {
  return (at::arange(group.master.numel(), group.master.options()) * 1.7).cos();
}
}  // namespace detail

/// The gradients that `state` holds against differences of `value()`, a number in double. Returns
/// the slope. Its parameters are those of before.
template <class State, class Value>
double check_slope(State& state, const Value& value) {
  at::NoGradGuard no_grad;
  double slope = 0.0;
  for (ParameterGroup& group : state.trainable()) {
    slope += (group.grad * detail::direction_of(group)).sum().template item<double>();
  }
  const auto moved = [&](double h) {
    for (ParameterGroup& group : state.trainable()) {
      group.master.add_(detail::direction_of(group), h);
    }
    state.publish();
    const double there = value();
    for (ParameterGroup& group : state.trainable()) {
      group.master.sub_(detail::direction_of(group), h);
    }
    state.publish();
    return there;
  };
  const double h = 1e-6;
  CHECK(slope == Approx((moved(h) - moved(-h)) / (2 * h)).epsilon(1e-6));
  return slope;
}

}  // namespace posttrain::test
