// SPDX-License-Identifier: Apache-2.0
// AdamW or AdamW8bit, chosen while the program runs: one type for both, as recipes/chosen_state.hpp
// is of parameters.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/optim/gradient_scale.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class ChosenOptimizerState {
 public:
  using Either = std::variant<AdamWState, AdamW8bitState>;

  explicit ChosenOptimizerState(Either state) : state_(std::move(state)) {}

  void step(std::vector<ParameterGroup>& groups, double learning_rate, const GradientScale& scale) {
    std::visit([&](auto& state) { state.step(groups, learning_rate, scale); }, state_);
  }
  std::vector<NamedTensor> tensors() const {
    return std::visit([](const auto& state) { return state.tensors(); }, state_);
  }

 private:
  Either state_;
};

class ChosenOptimizer {
 public:
  using State = ChosenOptimizerState;

  explicit ChosenOptimizer(std::variant<AdamW, AdamW8bit> optimizer)
      : optimizer_(std::move(optimizer)) {}

  void validate() const {
    std::visit([](const auto& one) { one.validate(); }, optimizer_);
  }
  ChosenOptimizerState attach(const std::vector<ParameterGroup>& groups) const {
    return std::visit([&](const auto& one) { return State(State::Either(one.attach(groups))); },
                      optimizer_);
  }
  std::string description() const {
    return std::visit([](const auto& one) { return describe(one); }, optimizer_);
  }

 private:
  std::variant<AdamW, AdamW8bit> optimizer_;
};

}  // namespace posttrain
