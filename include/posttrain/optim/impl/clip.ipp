// SPDX-License-Identifier: Apache-2.0
// Definitions of clip.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::optim {

POSTTRAIN_INLINE double global_norm(const std::vector<ParameterGroup>& groups) {
  // One fp32 sum over tens of millions of squares is off by half a percent: norms of short pieces
  // are added in double.
  constexpr std::int64_t kPiece = 4096;
  double squares = 0.0;
  for (const ParameterGroup& group : groups) {
    const std::int64_t whole = group.grad.numel() / kPiece * kPiece;
    const Tensor pieces = at::linalg_vector_norm(
        group.grad.narrow(0, 0, whole).view({whole / kPiece, kPiece}), 2, at::IntArrayRef({1}));
    const Tensor rest =
        at::linalg_vector_norm(group.grad.narrow(0, whole, group.grad.numel() - whole));
    squares += at::sum(pieces.to(at::kDouble).square()).item<double>() +
               rest.to(at::kDouble).square().item<double>();
  }
  return std::sqrt(squares);
}

POSTTRAIN_INLINE double clip_coefficient(double norm, double max_norm) {
  return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace posttrain::optim
