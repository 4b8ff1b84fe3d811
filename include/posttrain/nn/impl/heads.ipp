// SPDX-License-Identifier: Apache-2.0
// Definitions of heads.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <array>
#include <cstdint>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/heads.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// The gradient of the fused buffer. Attention on CPUs writes its three gradients into one buffer,
/// which then is the answer already; else they are concatenated.
inline Tensor join_heads(const Tensors& d, std::int64_t rows, std::int64_t q, std::int64_t kv,
                         const at::TensorOptions& like) {
  const std::int64_t width = q + 2 * kv;
  if (d[0].defined() && d[1].defined() && d[2].defined()) {
    const auto in_place = [&](const Tensor& g, std::int64_t offset) {
      return g.is_alias_of(d[0]) && g.stride(0) == width && g.stride(2) == 1 &&
             g.stride(1) == g.size(2) && g.storage_offset() == d[0].storage_offset() + offset;
    };
    if (in_place(d[0], 0) && in_place(d[1], q) && in_place(d[2], q + kv)) {
      return d[0].as_strided({rows, width}, {width, 1});
    }
  }
  const auto flat = [&](const Tensor& g, std::int64_t size) {
    return g.defined() ? g.reshape({rows, size}) : at::zeros({rows, size}, like);
  };
  return at::cat({flat(d[0], q), flat(d[1], kv), flat(d[2], kv)}, 1);
}

}  // namespace detail

POSTTRAIN_INLINE std::array<Tensor, 3> split_heads(const Tensor& qkv, std::int64_t q_heads,
                                                   std::int64_t kv_heads, std::int64_t head_dim) {
  const Tensor plain = qkv.detach();
  const std::int64_t rows = qkv.size(0);
  const std::int64_t q = q_heads * head_dim;
  const std::int64_t kv = kv_heads * head_dim;
  Tensors views{plain.narrow(1, 0, q).unflatten(1, {q_heads, head_dim}),
                plain.narrow(1, q, kv).unflatten(1, {kv_heads, head_dim}),
                plain.narrow(1, q + kv, kv).unflatten(1, {kv_heads, head_dim})};
  views = differentiable(std::move(views), {qkv},
                         [rows, q, kv, like = plain.options()](const Tensors& d) -> Tensors {
                           return {detail::join_heads(d, rows, q, kv, like)};
                         });
  return {views[0], views[1], views[2]};
}

}  // namespace posttrain
