// SPDX-License-Identifier: Apache-2.0
// Definitions of attention.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/attention_generic.hpp"
#include "posttrain/nn/cpu/attention_backward.hpp"
#include "posttrain/nn/cpu/attention_cached.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

inline void check_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                            const std::vector<AttentionPart>& parts) {
  if (q.dim() != 3 || k.dim() != 3 || v.dim() != 3 || k.sizes() != v.sizes() ||
      q.size(2) != k.size(2) || k.size(1) == 0 || q.size(1) % k.size(1) != 0) {
    raise(
        "attention expected q [Tq, Hq, D] and k, v [Tk, Hkv, D] with Hq a multiple of Hkv, got "
        "{}, {}, {}",
        shape_text(q), shape_text(k), shape_text(v));
  }
  for (const AttentionPart& part : parts) {
    if (part.q0 < 0 || part.q1 > q.size(0) || part.k0 < 0 || part.k1 > k.size(0)) {
      raise("attention part q [{}, {}), k [{}, {}) reaches outside {} queries and {} keys", part.q0,
            part.q1, part.k0, part.k1, q.size(0), k.size(0));
    }
  }
}

}  // namespace detail

namespace detail {

// Whether the blocked kernels take these tensors; `type` is the type they compute with.
inline bool attention_is_blocked([[maybe_unused]] const Tensor& q,
                                 [[maybe_unused]] at::ScalarType& type) {
#ifdef POSTTRAIN_HAS_BRGEMM
  if (!has_cpu_kernel(q) || q.size(2) % 2 != 0 || q.size(2) > 512) return false;
  type = q.scalar_type();
  // Without instructions for bfloat16 products the float32 kernel is the faster one.
  if (type == at::kBFloat16 && !bfloat16_products_pay()) type = at::kFloat;
  return true;
#else
  return false;
#endif
}

// x as the kernels read it: the wanted type, contiguous and aligned rows.
inline Tensor attention_operand(const Tensor& x, at::ScalarType type) {
  const Tensor y = x.to(type);
  const bool readable = y.stride(2) == 1 && y.stride(0) % 2 == 0 && y.stride(1) % 2 == 0 &&
                        reinterpret_cast<std::uintptr_t>(y.const_data_ptr()) % 4 == 0;
  return readable ? y : y.clone(at::MemoryFormat::Contiguous);
}

}  // namespace detail

namespace detail {

// Few queries over many keys.
inline AttentionResult attention_forward_few(const Tensor& q, const Tensor& k, const Tensor& v,
                                             const AttentionParts& parts,
                                             const AttentionOptions& options) {
  const Tensor a = with_row_layout(q), b = with_row_layout(k), c = with_row_layout(v);
  if (q.scalar_type() == at::kFloat) {
    return attention_forward_cached<float>(a, b, c, parts, options);
  }
#ifdef POSTTRAIN_HAS_BRGEMM
  if (q.size(2) % 16 == 0 && bfloat16_products_pay()) {
    return attention_forward_cached<BFloat16>(a, attention_operand(b, at::kBFloat16),
                                              attention_operand(c, at::kBFloat16), parts, options);
  }
#endif
  return attention_forward_cached<BFloat16, float>(a, b, c, parts, options);
}

// Many queries.
inline AttentionResult attention_forward_tiled(const Tensor& q, const Tensor& k, const Tensor& v,
                                               const std::vector<AttentionPart>& parts,
                                               const AttentionOptions& options) {
  [[maybe_unused]] at::ScalarType type = q.scalar_type();
#ifdef POSTTRAIN_HAS_BRGEMM
  if (attention_is_blocked(q, type)) {
    const Tensor a = attention_operand(q, type), b = attention_operand(k, type),
                 c = attention_operand(v, type);
    AttentionResult result;
    with_element_type(a, [&](auto element) {
      result = attention_forward_blocked<decltype(element)>(a, b, c, parts, options);
    });
    result.out = result.out.to(q.scalar_type());
    return result;
  }
#endif
  return attention_forward_generic(q, k, v, parts, options);
}

}  // namespace detail

POSTTRAIN_INLINE AttentionResult attention_forward(const Tensor& q, const Tensor& k,
                                                   const Tensor& v, const AttentionParts& parts,
                                                   const AttentionOptions& options) {
  detail::check_attention(q, k, v, parts.list());
  at::NoGradGuard no_grad;
  if (takes_flash(q, options)) return attention_forward_flash(q, k, v, parts, options);
  if (options.tiles || !detail::has_cpu_kernel(q) || 4 * q.size(0) > k.size(0)) {
    return detail::attention_forward_tiled(q, k, v, parts.list(), options);
  }
  if (detail::cached_products_exist(q)) {
    return detail::attention_forward_few(q, k, v, parts, options);
  }
  std::vector<AttentionPart> single, rest;
  for (const AttentionPart& part : parts.list()) {
    (part.q1 - part.q0 <= detail::kFewQueries ? single : rest).push_back(part);
  }
  if (single.empty()) return detail::attention_forward_tiled(q, k, v, rest, options);
  const AttentionResult result = detail::attention_forward_few(q, k, v, single, options);
  if (rest.empty()) return result;
  return detail::merge_attention(result, detail::attention_forward_tiled(q, k, v, rest, options));
}

POSTTRAIN_INLINE AttentionGradients attention_backward(const Tensor& grad_out, const Tensor& q,
                                                       const Tensor& k, const Tensor& v,
                                                       const AttentionResult& result,
                                                       const AttentionParts& parts,
                                                       const AttentionOptions& options) {
  at::NoGradGuard no_grad;
  if (takes_flash(q, options)) {
    return attention_backward_flash(grad_out, q, k, v, result, parts, options);
  }
  [[maybe_unused]] at::ScalarType type = q.scalar_type();
#ifdef POSTTRAIN_HAS_BRGEMM
  if (detail::attention_is_blocked(q, type)) {
    const Tensor a = detail::attention_operand(q, type), b = detail::attention_operand(k, type),
                 c = detail::attention_operand(v, type),
                 grad = detail::attention_operand(grad_out, type);
    const AttentionResult saved{detail::attention_operand(result.out, type), result.lse};
    AttentionGradients grads;
    detail::with_element_type(a, [&](auto element) {
      grads = detail::attention_backward_blocked<decltype(element)>(grad, a, b, c, saved,
                                                                    parts.list(), options);
    });
    return {grads.q.to(q.scalar_type()), grads.k.to(k.scalar_type()), grads.v.to(v.scalar_type())};
  }
#endif
  return attention_backward_generic(grad_out, q, k, v, result, parts.list(), options);
}

POSTTRAIN_INLINE Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                  const AttentionParts& parts, const AttentionOptions& options) {
  AttentionResult result = attention_forward(q.detach(), k.detach(), v.detach(), parts, options);
  return differentiable(result.out, {q, k, v},
                        [q = q.detach(), k = k.detach(), v = v.detach(),
                         saved = AttentionResult{result.out.detach(), result.lse}, parts,
                         options](const Tensor& grad) {
                          AttentionGradients grads =
                              attention_backward(grad, q, k, v, saved, parts, options);
                          return Tensors{grads.q, grads.k, grads.v};
                        });
}

}  // namespace posttrain
