// SPDX-License-Identifier: Apache-2.0
// Attention over a list of parts, differentiable in q, k and v.
//
// out = softmax(scale · q kᵀ, over the visible keys of all parts together) v. A query row may be
// covered by several parts (its own segment, its ancestors, a cache): they merge in one softmax.
#pragma once

#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/tensor/attention_generic.hpp"
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

/// The forward pass alone, without a graph.
inline AttentionResult attention_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                                         const std::vector<AttentionPart>& parts,
                                         const AttentionOptions& options) {
  detail::check_attention(q, k, v, parts);
  return attention_forward_generic(q, k, v, parts, options);
}

/// The gradients of q, k and v, without a graph.
inline AttentionGradients attention_backward(const Tensor& grad_out, const Tensor& q,
                                             const Tensor& k, const Tensor& v,
                                             const AttentionResult& result,
                                             const std::vector<AttentionPart>& parts,
                                             const AttentionOptions& options) {
  return attention_backward_generic(grad_out, q, k, v, result, parts, options);
}

/// q [Tq, Hq, D]; k, v [Tk, Hkv, D]; Hq a multiple of Hkv; strided views of one fused buffer are
/// fine. Returns a contiguous [Tq, Hq, D]; rows that see no key get 0.
inline Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                        const std::vector<AttentionPart>& parts, const AttentionOptions& options) {
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
