// SPDX-License-Identifier: Apache-2.0
// Definitions of flash_attention.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <limits>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/attention_generic.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "posttrain/nn/cuda/merge_attention.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/kernels.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Rows that see nothing: the kernel says +∞, a merge by log-sum-exp needs −∞.
inline Tensor signed_infinity(const Tensor& lse, double from, double to) {
  return lse.masked_fill(lse == from, to);
}

/// Rows that see nothing may have either infinity.
inline AttentionResult merge_flash(const AttentionResult& a, const AttentionResult& b) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(a.out, b.out), cuda::merge_attention(a, b));
  const auto with_sign = [](const AttentionResult& x) {
    return AttentionResult{x.out, signed_infinity(x.lse, kInfinity, -kInfinity)};
  };
  return merge_attention(with_sign(a), with_sign(b));
}

/// x with contiguous heads, as the kernel reads it.
inline Tensor flash_operand(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

}  // namespace detail

POSTTRAIN_INLINE bool takes_flash(at::Device device, at::ScalarType type, std::int64_t head_size,
                                  double softcap) {
  const bool half = type == at::kBFloat16 || type == at::kHalf;
  return device.is_cuda() && half && head_size <= 256 && head_size % 8 == 0 && softcap == 0.0 &&
         !generic_kernels();
}

POSTTRAIN_INLINE AttentionResult attention_forward_flash(const Tensor& q, const Tensor& k,
                                                         const Tensor& v,
                                                         const AttentionParts& parts,
                                                         const AttentionOptions& options) {
  at::NoGradGuard no_grad;
  const Tensor a = detail::flash_operand(q), b = detail::flash_operand(k),
               c = detail::flash_operand(v);
  const DeviceFlashPlan& made = parts.on_device(options.window, q.size(0), k.size(0), q.device());
  AttentionResult result;
  const auto merge = [&](const AttentionResult& other) {
    result = result.out.defined() ? detail::merge_flash(result, other) : other;
  };
  for (std::size_t i = 0; i < made.begins.size(); ++i) {
    const FlashCall& call = made.plan.calls[i];
    const auto [out, lse, seed, offset, mask] = at::_flash_attention_forward(
        a, b, c, made.begins[i].first, made.begins[i].second, call.longest_q, call.longest_k,
        /*dropout_p=*/0.0, /*is_causal=*/call.right == 0, /*return_debug_mask=*/false,
        options.scale, call.left, call.right);
    merge({out, lse});
  }
  if (!made.plan.rest.empty() || !result.out.defined()) {
    merge(attention_forward_generic(q, k, v, made.plan.rest, options));
  }
  if (made.begins.size() == 1) {  // nothing was merged
    result.lse = detail::signed_infinity(result.lse, detail::kInfinity, -detail::kInfinity);
  }
  return result;
}

POSTTRAIN_INLINE AttentionGradients attention_backward_flash(
    const Tensor& grad_out, const Tensor& q, const Tensor& k, const Tensor& v,
    const AttentionResult& result, const AttentionParts& parts, const AttentionOptions& options) {
  at::NoGradGuard no_grad;
  const Tensor a = detail::flash_operand(q), b = detail::flash_operand(k),
               c = detail::flash_operand(v), grad = grad_out.contiguous(),
               out = result.out.contiguous();
  const Tensor lse =
      detail::signed_infinity(result.lse, -detail::kInfinity, detail::kInfinity).contiguous();
  // Of dropout's random numbers, which there are none of.
  const Tensor state = at::empty({2}, q.options().dtype(at::kUInt64));
  const DeviceFlashPlan& made = parts.on_device(options.window, q.size(0), k.size(0), q.device());
  AttentionGradients sum;
  const auto add = [&](const AttentionGradients& other) {
    if (!sum.q.defined()) {
      sum = other;
      return;
    }
    sum.q.add_(other.q);
    sum.k.add_(other.k);
    sum.v.add_(other.v);
  };
  for (std::size_t i = 0; i < made.begins.size(); ++i) {
    const FlashCall& call = made.plan.calls[i];
    const auto [dq, dk, dv] = at::_flash_attention_backward(
        grad, a, b, c, out, lse, made.begins[i].first, made.begins[i].second, call.longest_q,
        call.longest_k, /*dropout_p=*/0.0, /*is_causal=*/call.right == 0, state, state,
        options.scale, call.left, call.right);
    add({dq, dk, dv});
  }
  if (!made.plan.rest.empty() || !sum.q.defined()) {
    add(attention_backward_generic(grad_out, q, k, v, result, made.plan.rest, options));
  }
  return sum;
}

}  // namespace posttrain
