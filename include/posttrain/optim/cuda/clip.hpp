// SPDX-License-Identifier: Apache-2.0
// The norm of all gradients and what clipping makes of it, on CUDA: every number stays there.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include <algorithm>
#include <cstdint>
#include <vector>

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kClipCode,
    // partial[block]: the sum of the squares of `piece` fp32 elements, in double.
    PT_KERNEL void piece_squares(const float* grad, double* partial, long long size,
                                 long long piece) {
      const long long begin = PT_BLOCK * piece;
      const long long end = begin + piece < size ? begin + piece : size;
      float squares = 0.0F;
      for (long long i = begin + PT_THREAD * V; i < end; i += PT_THREADS * V) {
        const Floats values = load_floats(grad, i);
        for (int k = 0; k < V; ++k) squares += values.at[k] * values.at[k];
      }
      const double sum = block_sum(static_cast<double>(squares));
      if (PT_THREAD == 0) partial[PT_BLOCK] = sum;
    }

    // norm = √Σ partial; one block.
    PT_KERNEL void root_of_sum(const double* partial, double* norm, long long count) {
      double sum = 0.0;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) sum += partial[i];
      sum = block_sum(sum);
      if (PT_THREAD == 0) *norm = sqrt(sum);
    }

    // One thread: the clip coefficient (max_norm 0: 1), and 1 in `skip` where norm or loss is not
    // finite.
    PT_KERNEL void clip_numbers(const double* norm, const double* loss, double* factor,
                                float* skip, double max_norm) {
      if (PT_THREAD != 0) return;
      const double coefficient = max_norm / (*norm + 1e-6);
      *factor = max_norm > 0.0 && !(coefficient > 1.0) ? coefficient : 1.0;
      *skip = *norm - *norm == 0.0 && *loss - *loss == 0.0 ? 0.0F : 1.0F;
    })
// clang-format on

inline constexpr DeviceProgram kClip{"clip", kClipCode};
inline constexpr Kernel<Data, Data, std::int64_t, std::int64_t> piece_squares_kernel{
    &kClip, "piece_squares"};
inline constexpr Kernel<Data, Data, std::int64_t> root_of_sum_kernel{&kClip, "root_of_sum"};
inline constexpr Kernel<Data, Data, Data, Data, double> clip_numbers_kernel{&kClip, "clip_numbers"};

/// Whether all gradients are fp32 on one CUDA device.
inline bool has_norm_kernel(const std::vector<ParameterGroup>& groups) {
  return std::ranges::any_of(groups,
                             [](const ParameterGroup& group) { return group.grad.numel() > 0; }) &&
         std::ranges::all_of(groups, [&](const ParameterGroup& group) {
           return group.grad.scalar_type() == at::kFloat &&
                  (group.grad.numel() == 0 || has_cuda_kernel(group.grad));
         });
}

/// √Σ g² over all groups, [] fp64.
inline Tensor device_norm(const std::vector<ParameterGroup>& groups) {
  constexpr std::int64_t kPiece = 16384;
  std::int64_t count = 0;
  const auto pieces = [](const Tensor& grad) { return (grad.numel() + kPiece - 1) / kPiece; };
  for (const ParameterGroup& group : groups) count += pieces(group.grad);
  const auto options = groups.front().grad.options().dtype(at::kDouble);
  const Tensor partial = at::empty({count}, options), norm = at::empty({}, options);
  std::int64_t begin = 0;
  for (const ParameterGroup& group : groups) {
    const std::int64_t own = pieces(group.grad);
    if (own == 0) continue;
    piece_squares_kernel(variant_of(group.grad, {group.grad.numel()}), {own, 256}, group.grad,
                         partial.narrow(0, begin, own), group.grad.numel(), kPiece);
    begin += own;
  }
  root_of_sum_kernel({norm.device(), at::kFloat, 1}, {1, 256}, partial, norm, count);
  return norm;
}

/// Result(factor [] fp64, skip [] fp32) of a norm and a loss [] fp64.
template <class Result>
Result clip_numbers(const Tensor& norm, const Tensor& loss, double max_norm) {
  const Tensor factor = at::empty_like(norm);
  const Tensor skip = at::empty({}, norm.options().dtype(at::kFloat));
  clip_numbers_kernel({norm.device(), at::kFloat, 1}, {1, 32}, norm, loss, factor, skip, max_norm);
  return Result(factor, skip);
}

}  // namespace posttrain::cuda

#endif
