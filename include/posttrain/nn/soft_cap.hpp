// SPDX-License-Identifier: Apache-2.0
// Soft-capped logits: c · tanh(z / c) (Gemma 2, arXiv 2408.00118).
#pragma once

#include "posttrain/tensor/differentiable.hpp"

namespace posttrain {

/// z of any shape, c > 0. Keeps z, not the result, because the scores' backward overwrites the
/// latter.
inline Tensor soft_cap(const Tensor& z, double c) {
  Tensor capped;
  {
    at::NoGradGuard no_grad;
    capped = (z / c).tanh_().mul_(c);
  }
  return differentiable(capped, {z}, [z = z.detach(), c](const Tensor& d) -> Tensors {
    const Tensor t = (z / c).tanh();
    return {d * (1.0 - t * t)};
  });
}

}  // namespace posttrain
