// SPDX-License-Identifier: Apache-2.0
// Query, key and value heads as views of one fused projection.
#pragma once

#include <array>
#include <cstdint>

#include "posttrain/tensor/differentiable.hpp"

namespace posttrain {

/// qkv [T, (Hq + 2 Hkv) · D] → q [T, Hq, D], k and v [T, Hkv, D], views of the same memory. One
/// concatenation in the backward pass instead of autograd's three zero-padded buffers.
inline std::array<Tensor, 3> split_heads(const Tensor& qkv, std::int64_t q_heads,
                                         std::int64_t kv_heads, std::int64_t head_dim) {
  const Tensor plain = qkv.detach();
  const std::int64_t rows = qkv.size(0);
  const std::int64_t q = q_heads * head_dim;
  const std::int64_t kv = kv_heads * head_dim;
  Tensors views{plain.narrow(1, 0, q).unflatten(1, {q_heads, head_dim}),
                plain.narrow(1, q, kv).unflatten(1, {kv_heads, head_dim}),
                plain.narrow(1, q + kv, kv).unflatten(1, {kv_heads, head_dim})};
  views = differentiable(
      std::move(views), {qkv}, [rows, q, kv, like = plain.options()](const Tensors& d) -> Tensors {
        const auto flat = [&](const Tensor& g, std::int64_t width) {
          return g.defined() ? g.reshape({rows, width}) : at::zeros({rows, width}, like);
        };
        return {at::cat({flat(d[0], q), flat(d[1], kv), flat(d[2], kv)}, 1)};
      });
  return {views[0], views[1], views[2]};
}

}  // namespace posttrain
