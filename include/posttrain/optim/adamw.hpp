// SPDX-License-Identifier: Apache-2.0
// AdamW with decoupled weight decay (arXiv 1711.05101), fused, on the flat fp32 masters.
//
//   m ← β1 m + (1 − β1) g,  v ← β2 v + (1 − β2) g²,  p ← p (1 − η λ) − η m̂ / (√v̂ + ε)
//
// One sweep clips, updates the moments and the masters (LibTorch's `_fused_adamw_`); the policy
// then rounds the masters into the compute weights. λ applies to matrices only (transformers'
// grouping).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class AdamWState;

struct AdamW {
  using State = AdamWState;

  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  // λ

  constexpr void validate() const {
    if (!(beta1 >= 0.0 && beta1 < 1.0)) fail("posttrain: AdamW.beta1 must be in [0, 1)");
    if (!(beta2 >= 0.0 && beta2 < 1.0)) fail("posttrain: AdamW.beta2 must be in [0, 1)");
    if (!(eps > 0.0)) fail("posttrain: AdamW.eps must be positive");
    if (!(weight_decay >= 0.0)) fail("posttrain: AdamW.weight_decay must not be negative");
  }

  AdamWState attach(const std::vector<ParameterGroup>& groups) const;
};

class AdamWState {
 public:
  AdamWState(const AdamW& options, const std::vector<ParameterGroup>& groups) : options_(options) {
    for (const ParameterGroup& group : groups) {
      first_.push_back(at::zeros_like(group.master));
      second_.push_back(at::zeros_like(group.master));
      steps_.push_back(at::zeros({}, group.master.options().dtype(at::kFloat)));
    }
  }

  /// One update of the masters with gradients multiplied by `grad_factor` (the clip coefficient).
  void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor) {
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
                        learning_rate, options_.beta1, options_.beta2,
                        group.decay ? options_.weight_decay : 0.0, options_.eps,
                        /*amsgrad=*/false, /*maximize=*/false, grad_scale, {});
    }
  }

  /// Everything that a checkpoint must hold, as references to the live tensors.
  std::vector<NamedTensor> tensors() const {
    std::vector<NamedTensor> all;
    for (std::size_t i = 0; i < first_.size(); ++i) {
      const std::string suffix = "." + std::to_string(i);
      all.push_back({"adamw.exp_avg" + suffix, first_[i]});
      all.push_back({"adamw.exp_avg_sq" + suffix, second_[i]});
      all.push_back({"adamw.step" + suffix, steps_[i]});
    }
    return all;
  }

 private:
  AdamW options_;
  Tensors first_, second_, steps_;
};

inline AdamWState AdamW::attach(const std::vector<ParameterGroup>& groups) const {
  return AdamWState(*this, groups);
}

}  // namespace posttrain
