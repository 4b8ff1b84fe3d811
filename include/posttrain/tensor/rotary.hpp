// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding, half-split ("NeoX", Llama) convention (arXiv 2104.09864).
//
//   (a, b) = (x[i], x[i + R/2])  →  (a cos − b sin, b cos + a sin),  i < R/2; x[R..D) is copied.
#pragma once

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// x [T, H, D] (a strided view is fine), cos and sin [T, R/2] in float32 with R <= D.
/// Returns a contiguous [T, H, D].
inline Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  const auto dtype = x.scalar_type();
  const auto compute = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const std::int64_t half = cos.size(1);
  const Tensor a = x.narrow(2, 0, half).to(compute);
  const Tensor b = x.narrow(2, half, half).to(compute);
  const Tensor c = cos.unsqueeze(1).to(compute);
  const Tensor s = sin.unsqueeze(1).to(compute);
  return at::cat({(a * c - b * s).to(dtype), (b * c + a * s).to(dtype),
                  x.narrow(2, 2 * half, x.size(2) - 2 * half)},
                 2);
}

/// Rotates the first q_heads + kv_heads heads of a fused buffer qkv [T, (Hq + 2 Hkv) D] and copies
/// the values. Returns a new contiguous buffer of the same shape.
inline Tensor rotary_qkv(const Tensor& qkv, std::int64_t q_heads, std::int64_t kv_heads,
                         std::int64_t head_dim, const Tensor& cos, const Tensor& sin) {
  const std::int64_t rows = qkv.size(0);
  const std::int64_t rotated = (q_heads + kv_heads) * head_dim;
  const Tensor qk = qkv.narrow(1, 0, rotated).reshape({rows, q_heads + kv_heads, head_dim});
  return at::cat(
      {rotary(qk, cos, sin).reshape({rows, rotated}), qkv.narrow(1, rotated, kv_heads * head_dim)},
      1);
}

}  // namespace posttrain
