// SPDX-License-Identifier: Apache-2.0
// Attention over a list of parts, differentiable in q, k and v.
//
// out = softmax(scale · q kᵀ, over the visible keys of all parts together) v. A query row may be
// covered by several parts (its own segment, its ancestors, a cache): they merge in one softmax.
#pragma once

#include "posttrain/nn/attention_parts.hpp"
#include "posttrain/nn/attention_types.hpp"

namespace posttrain {

/// The forward pass alone, without a graph.
AttentionResult attention_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                                  const AttentionParts& parts, const AttentionOptions& options);

/// The gradients of q, k and v, without a graph. Where Tq = Tk they may be views of one buffer
/// [T, Hq + 2 Hkv, D].
AttentionGradients attention_backward(const Tensor& grad_out, const Tensor& q, const Tensor& k,
                                      const Tensor& v, const AttentionResult& result,
                                      const AttentionParts& parts, const AttentionOptions& options);

/// q [Tq, Hq, D]; k, v [Tk, Hkv, D]; Hq a multiple of Hkv; strided views of one fused buffer are
/// fine. Returns a contiguous [Tq, Hq, D]; rows that see no key get 0.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionParts& parts,
                 const AttentionOptions& options);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/attention.ipp"
#endif
