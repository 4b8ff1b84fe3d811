// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding, half-split ("NeoX", Llama) convention (arXiv 2104.09864).
//
//   (a, b) = (x[i], x[i + R/2])  →  (a cos − b sin, b cos + a sin),  i < R/2; x[R..D) is copied.
// Mathematics in float32, rounded once (transformers rounds cos, sin and both products for half
// types). The backward is the rotation by the opposite angle.
#pragma once

#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// x [T, H, D] (a strided view is fine), cos and sin [T, R/2] in float32 with R <= D.
/// Returns a contiguous [T, H, D]; differentiable in x.
Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin);

/// Rotates the first q_heads + kv_heads heads of a fused buffer qkv [T, (Hq + 2 Hkv) D] and copies
/// the values. Returns a new contiguous buffer of the same shape; one backward.
Tensor rotary_qkv(const Tensor& qkv, std::int64_t q_heads, std::int64_t kv_heads,
                  std::int64_t head_dim, const Tensor& cos, const Tensor& sin);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/rotary.ipp"
#endif
