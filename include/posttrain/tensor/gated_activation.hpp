// SPDX-License-Identifier: Apache-2.0
// Activations and gated activations (SwiGLU, GeGLU; arXiv 2002.05202): act(gate) · up.
#pragma once

#include <cmath>

#include "posttrain/tensor/activation.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// act(x), same shape and dtype; mathematics in float32 (double for double).
inline Tensor activation(const Tensor& x, ActivationKind kind) {
  const auto dtype = x.scalar_type();
  const Tensor wide = x.to(dtype == at::kDouble ? at::kDouble : at::kFloat);
  switch (kind) {
    case ActivationKind::kSilu:
      return (wide * wide.sigmoid()).to(dtype);
    case ActivationKind::kGelu:
      return (wide * 0.5 * (1 + (wide * std::sqrt(0.5)).erf())).to(dtype);
    case ActivationKind::kGeluTanh:
      break;
  }
  const Tensor inner = (wide + 0.044715 * wide.pow(3)) * std::sqrt(2 / M_PI);
  return (wide * 0.5 * (1 + inner.tanh())).to(dtype);
}

/// gate_up [T, 2F], gate first: act(gate) · up, [T, F].
inline Tensor gated_activation(const Tensor& gate_up, ActivationKind kind) {
  const std::int64_t features = gate_up.size(1) / 2;
  return activation(gate_up.narrow(1, 0, features), kind) * gate_up.narrow(1, features, features);
}

}  // namespace posttrain
