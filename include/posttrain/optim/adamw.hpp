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

#include "posttrain/base/error.hpp"
#include "posttrain/optim/gradient_scale.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class AdamWState;

struct AdamW {
  using State = AdamWState;

  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  // λ
  // Moments in host memory, the update on the host: 8 bytes per parameter less on another device.
  // On the way: master and gradient of two pieces of at most 16M parameters
  // (optim/host_staging.hpp, 256 MiB). On the CPU they are there anyway, and nothing changes.
  bool offload = false;

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
  AdamWState(const AdamW& options, const std::vector<ParameterGroup>& groups);

  /// One update of the masters with gradients multiplied by `scale` (the clip coefficient).
  void step(std::vector<ParameterGroup>& groups, double learning_rate, const GradientScale& scale);

  /// Everything that a checkpoint must hold, as references to the live tensors.
  std::vector<NamedTensor> tensors() const;

 private:
  AdamW options_;
  Tensors first_, second_, steps_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/adamw.ipp"
#endif
