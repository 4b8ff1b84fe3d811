// SPDX-License-Identifier: Apache-2.0
// Definitions of clip.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <cmath>
#include <vector>

#include "posttrain/core/compiled.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::optim {

POSTTRAIN_INLINE double global_norm(const std::vector<ParameterGroup>& groups) {
  double squares = 0.0;
  for (const ParameterGroup& group : groups) {
    const double norm = at::linalg_vector_norm(group.grad).item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

POSTTRAIN_INLINE double clip_coefficient(double norm, double max_norm) {
  return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace posttrain::optim
