// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "posttrain/base/rng.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::test {

/// Moves all masters of a state away from their first values, so that it does something.
template <class State>
void disturb(State& state, double size = 0.1, std::uint64_t seed = 5) {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : state.trainable()) {
    Philox4x32 generator(seed++);
    for (std::int64_t i = 0; i < group.master.numel(); ++i) {
      group.master[i] += size * generator.normal();
    }
  }
  state.publish();
}

}  // namespace posttrain::test
