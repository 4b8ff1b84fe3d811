// SPDX-License-Identifier: Apache-2.0
// Parameter policies of the programs that are compared with TRL.
#pragma once

#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/params/osft.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::test {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// A copy of every gradient. OSFT's are in the space of the matrices, U ∂C Vᵀ of a core C, where
/// they do not depend on the bases.
template <class State>
NamedTensors gradients_of(const State& state) {
  NamedTensors all;
  if constexpr (std::derived_from<State, OsftState<Dense>>) {
    for (const OsftTarget* target : state.targets()) {
      const OsftCore& core = target->cores.front();
      all.emplace_back(target->name + ".weight", core.product(core.values.grad).clone());
    }
  } else {
    for (const NamedTensor& gradient : state.gradients()) {
      all.emplace_back(gradient.name, gradient.value.clone());
    }
  }
  return all;
}

/// Takes OSFT away from its start, where a policy is its base and every reward 0, and returns the
/// weights that the cores make, as `policy.…`. Nothing of others.
template <class State>
NamedTensors randomize_cores(State& state) {
  NamedTensors policy;
  if constexpr (std::derived_from<State, OsftState<Dense>>) {
    at::manual_seed(0);
    for (const OsftTarget* target : state.targets()) {
      for (const OsftCore& core : target->cores) core.values.master.normal_(0.0, 0.05);
    }
    state.publish();
    for (const NamedTensor& weight : state.weights()) {
      policy.emplace_back("policy." + weight.name, weight.value.clone());
    }
  }
  return policy;
}

}  // namespace posttrain::test
