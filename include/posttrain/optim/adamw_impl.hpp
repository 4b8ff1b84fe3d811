// SPDX-License-Identifier: Apache-2.0
// Definitions of adamw.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <optional>
#include <string>

#include "posttrain/core/compiled.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE AdamWState::AdamWState(const AdamW& options,
                                        const std::vector<ParameterGroup>& groups)
    : options_(options) {
  for (const ParameterGroup& group : groups) {
    first_.push_back(at::zeros_like(group.master));
    second_.push_back(at::zeros_like(group.master));
    steps_.push_back(at::zeros({}, group.master.options().dtype(at::kFloat)));
  }
}

POSTTRAIN_INLINE void AdamWState::step(std::vector<ParameterGroup>& groups, double learning_rate,
                                       double grad_factor) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    ParameterGroup& group = groups[i];
    if (group.master.numel() == 0) continue;
    steps_[i].add_(1);
    // The kernel divides by grad_scale.
    std::optional<Tensor> grad_scale;
    if (grad_factor != 1.0) {
      grad_scale = at::full({}, 1.0 / grad_factor, group.grad.options().dtype(at::kFloat));
    }
    at::_fused_adamw_({group.master}, {group.grad}, {first_[i]}, {second_[i]}, {}, {steps_[i]},
                      learning_rate * group.lr_scale, options_.beta1, options_.beta2,
                      group.decay ? options_.weight_decay : 0.0, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false, grad_scale, {});
  }
}

POSTTRAIN_INLINE std::vector<NamedTensor> AdamWState::tensors() const {
  std::vector<NamedTensor> all;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const std::string suffix = "." + std::to_string(i);
    all.push_back({"adamw.exp_avg" + suffix, first_[i]});
    all.push_back({"adamw.exp_avg_sq" + suffix, second_[i]});
    all.push_back({"adamw.step" + suffix, steps_[i]});
  }
  return all;
}

POSTTRAIN_INLINE AdamWState AdamW::attach(const std::vector<ParameterGroup>& groups) const {
  return AdamWState(*this, groups);
}

}  // namespace posttrain
