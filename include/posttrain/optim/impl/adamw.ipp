// SPDX-License-Identifier: Apache-2.0
// Definitions of adamw.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/adamw.hpp"
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

/// The fused step of a group whose moments are where `moment_options` says.
inline void fused_adamw(ParameterGroup& group, const Tensor& first, const Tensor& second,
                        const Tensor& step, const AdamW& options, double learning_rate,
                        const GradientScale& scale, HostStaging& staging) {
  const double rate = learning_rate * group.lr_scale;
  const double decay = group.decay ? options.weight_decay : 0.0;
  if (!options.offload) {
    fused_adamw(group.master, group.grad, first, second, step, options, rate, decay, scale);
    return;
  }
  staging.run(group, [&](const Tensor& master, const Tensor& grad, std::int64_t begin) {
    const std::int64_t size = master.numel();
    fused_adamw(master, grad, first.narrow(0, begin, size), second.narrow(0, begin, size), step,
                options, rate, decay, scale);
  });
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
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].master.numel() == 0) continue;
    steps_[i].add_(1 - scale.skip(steps_[i].device()));
    detail::fused_adamw(groups[i], first_[i], second_[i], steps_[i], options_, learning_rate, scale,
                        staging_);
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
