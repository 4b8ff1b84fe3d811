// SPDX-License-Identifier: Apache-2.0
// Definitions of adamw.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/host_staging.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// Where moments live.
inline at::TensorOptions moment_options(const ParameterGroup& group, bool offload) {
  return offload ? group.master.options().device(at::kCPU) : group.master.options();
}

/// LibTorch's fused step on masters, gradients and moments of one place; `step` counts this one.
inline void fused_adamw(const Tensor& master, const Tensor& grad, const Tensor& first,
                        const Tensor& second, const Tensor& step, const AdamW& options,
                        double learning_rate, double decay, const GradientScale& scale) {
  std::optional<Tensor> grad_scale;  // by which the kernel divides
  if (const Tensor divisor = scale.divisor(grad.device()); divisor.defined()) grad_scale = divisor;
  at::_fused_adamw_({master}, {grad}, {first}, {second}, {}, {step}, learning_rate, options.beta1,
                    options.beta2, decay, options.eps, /*amsgrad=*/false, /*maximize=*/false,
                    grad_scale, scale.skip(grad.device()));
}

/// Calls `update` for all parameters, where `moment_options` has their moments.
inline void update_groups(std::vector<ParameterGroup>& groups, bool offload,
                          const HostUpdate& update) {
  if (offload) {
    update_on_host(groups, update);
    return;
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].master.numel() > 0) update(i, groups[i].master, groups[i].grad, 0);
  }
}

}  // namespace detail

POSTTRAIN_INLINE AdamWState::AdamWState(const AdamW& options,
                                        const std::vector<ParameterGroup>& groups)
    : options_(options) {
  for (const ParameterGroup& group : groups) {
    const at::TensorOptions place = detail::moment_options(group, options.offload);
    first_.push_back(at::zeros(group.master.sizes(), place));
    second_.push_back(at::zeros(group.master.sizes(), place));
    steps_.push_back(at::zeros({}, place.dtype(at::kFloat)));
  }
}

POSTTRAIN_INLINE void AdamWState::step(std::vector<ParameterGroup>& groups, double learning_rate,
                                       const GradientScale& given) {
  const GradientScale scale = options_.offload ? given.on_host() : given;
  const auto update = [&](std::size_t i, const Tensor& master, const Tensor& grad,
                          std::int64_t begin) {
    const ParameterGroup& group = groups[i];
    const std::int64_t size = master.numel();
    if (begin == 0) steps_[i].add_(1 - scale.skip(steps_[i].device()));
    detail::fused_adamw(master, grad, first_[i].narrow(0, begin, size),
                        second_[i].narrow(0, begin, size), steps_[i], options_,
                        learning_rate * group.lr_scale, group.decay ? options_.weight_decay : 0.0,
                        scale);
  };
  detail::update_groups(groups, options_.offload, update);
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
