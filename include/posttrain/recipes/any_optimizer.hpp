// SPDX-License-Identifier: Apache-2.0
// AdamW with moments in float32 or in 8 bits, chosen at run time: one type for Trainers that differ
// in nothing else.
#pragma once

#include <utility>
#include <variant>
#include <vector>

#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/recipes/names.hpp"

namespace posttrain {

class AnyOptimizerState {
 public:
  explicit AnyOptimizerState(std::variant<AdamWState, AdamW8bitState> state)
      : state_(std::move(state)) {}

  void step(std::vector<ParameterGroup>& groups, double learning_rate, const GradientScale& scale) {
    std::visit([&](auto& state) { state.step(groups, learning_rate, scale); }, state_);
  }
  std::vector<NamedTensor> tensors() const {
    return std::visit([](const auto& state) { return state.tensors(); }, state_);
  }

 private:
  std::variant<AdamWState, AdamW8bitState> state_;
};

struct AnyOptimizer {
  using State = AnyOptimizerState;

  OptimizerName name = OptimizerName::adamw;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.0;

  /// use(optimizer) with the one that is chosen.
  template <class Use>
  auto visit(const Use& use) const {
    if (name == OptimizerName::adamw_8bit) {
      return use(
          AdamW8bit{.beta1 = beta1, .beta2 = beta2, .eps = eps, .weight_decay = weight_decay});
    }
    return use(AdamW{.beta1 = beta1, .beta2 = beta2, .eps = eps, .weight_decay = weight_decay});
  }

  void validate() const {
    visit([](const auto& optimizer) { optimizer.validate(); });
  }

  AnyOptimizerState attach(const std::vector<ParameterGroup>& groups) const {
    return visit(
        [&](const auto& optimizer) { return AnyOptimizerState(optimizer.attach(groups)); });
  }
};

}  // namespace posttrain
