// SPDX-License-Identifier: Apache-2.0
// Definitions of clip.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/optim/cuda/clip.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::optim {

POSTTRAIN_INLINE Tensor device_norm(const std::vector<ParameterGroup>& groups) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_norm_kernel(groups), cuda::device_norm(groups));
  // One fp32 sum over tens of millions of squares is off by half a percent: norms of short pieces
  // are added in double.
  constexpr std::int64_t kPiece = 4096;
  Tensor squares;
  for (const ParameterGroup& group : groups) {
    const std::int64_t whole = group.grad.numel() / kPiece * kPiece;
    const Tensor pieces = at::linalg_vector_norm(
        group.grad.narrow(0, 0, whole).view({whole / kPiece, kPiece}), 2, at::IntArrayRef({1}));
    const Tensor rest =
        at::linalg_vector_norm(group.grad.narrow(0, whole, group.grad.numel() - whole));
    const Tensor own = at::sum(pieces.to(at::kDouble).square()) + rest.to(at::kDouble).square();
    squares = squares.defined() ? squares + own : own;
  }
  return squares.defined() ? squares.sqrt() : at::zeros({}, at::kDouble);
}

POSTTRAIN_INLINE double global_norm(const std::vector<ParameterGroup>& groups) {
  return read_numbers({device_norm(groups)})[0];
}

POSTTRAIN_INLINE double clip_coefficient(double norm, double max_norm) {
  return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

POSTTRAIN_INLINE GradientScale clip_scale(const Tensor& norm, double max_norm, const Tensor& loss) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(
      norm.scalar_type() == at::kDouble && cuda::has_kernels(norm.device()),
      cuda::clip_numbers<GradientScale>(norm, loss.to(norm.options()), max_norm));
  const Tensor sound = at::isfinite(norm).logical_and(at::isfinite(loss.to(norm.device())));
  const Tensor factor =
      max_norm > 0.0 ? (max_norm / (norm + 1e-6)).clamp_max(1.0) : at::ones_like(norm);
  return {factor, sound.logical_not()};
}

}  // namespace posttrain::optim
