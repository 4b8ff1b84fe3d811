// SPDX-License-Identifier: Apache-2.0
// Definitions of soft_cap.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/soft_cap.hpp"

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
