// SPDX-License-Identifier: Apache-2.0
// Clipping by the global norm of all gradients.
#pragma once

#include <cmath>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::optim {

/// L2 norm over all groups.
inline double global_norm(const std::vector<ParameterGroup>& groups) {
  double squares = 0.0;
  for (const ParameterGroup& group : groups) {
    const double norm = at::linalg_vector_norm(group.grad).item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

/// What gradients of norm `norm` are multiplied by so that it does not exceed `max_norm` (0: no
/// clipping); torch.nn.utils.clip_grad_norm_'s coefficient. Applied inside the optimizer's sweep.
inline double clip_coefficient(double norm, double max_norm) {
  return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace posttrain::optim
