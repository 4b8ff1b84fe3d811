// SPDX-License-Identifier: Apache-2.0
// Definitions of soft_cap.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/soft_cap.hpp"
#include "posttrain/tensor/differentiable.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor soft_cap(const Tensor& z, double c) {
  Tensor capped;
  {
    at::NoGradGuard no_grad;
    capped = at::tanh(z / c).mul_(c);
  }
  return differentiable(capped, {z}, [z = z.detach(), c](const Tensor& d) -> Tensors {
    const Tensor t = at::tanh(z / c);
    return {d * (1.0 - t * t)};
  });
}

}  // namespace posttrain
