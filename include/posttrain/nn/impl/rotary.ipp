// SPDX-License-Identifier: Apache-2.0
// Definitions of rotary.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cuda/rotary.hpp"
#include "posttrain/nn/rotary.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

template <class Element>
struct RotaryRows {
  const Element* x;
  std::int64_t row_stride, head_stride;  // of x; the result is contiguous
  std::int64_t heads, rotated_heads;     // the heads after rotated_heads are copied
  std::int64_t width, half;              // D, R / 2
  const float* cos;                      // [T, half]
  const float* sin;
  float sign;  // −1 rotates back
  Element* y;
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void rotary_body(const RotaryRows<Element>& a, std::int64_t begin,
                                         std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* cos = a.cos + row * a.half;
    const float* sin = a.sin + row * a.half;
    for (std::int64_t head = 0; head < a.heads; ++head) {
      const Element* x = a.x + row * a.row_stride + head * a.head_stride;
      Element* y = a.y + (row * a.heads + head) * a.width;
      const bool rotates = head < a.rotated_heads;
      if (rotates) {
#pragma omp simd
        for (std::int64_t i = 0; i < a.half; ++i) {
          const float first = simd::load(x, i), second = simd::load(x + a.half, i);
          const float s = sin[i] * a.sign;
          simd::store(y, i, first * cos[i] - second * s);
          simd::store(y + a.half, i, second * cos[i] + first * s);
        }
      }
      for (std::int64_t i = rotates ? 2 * a.half : 0; i < a.width; ++i) y[i] = x[i];
    }
  }
}
POSTTRAIN_SIMD void rotary_rows(const RotaryRows<float>& a, std::int64_t begin, std::int64_t end) {
  rotary_body(a, begin, end);
}
POSTTRAIN_SIMD void rotary_rows(const RotaryRows<c10::BFloat16>& a, std::int64_t begin,
                                std::int64_t end) {
  rotary_body(a, begin, end);
}

// x [T, H, D], of which the first rotated_heads heads are rotated; contiguous [T, H, D].
inline Tensor rotate(const Tensor& x, const Tensor& cos, const Tensor& sin,
                     std::int64_t rotated_heads, float sign) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x),
                           cuda::rotate(x, cos, sin, rotated_heads, sign));
  const std::int64_t half = cos.size(1), width = x.size(2);
  if (!has_cpu_kernel(x)) {
    const auto dtype = x.scalar_type();
    const Tensor head = x.narrow(1, 0, rotated_heads);
    const Tensor a = head.narrow(2, 0, half).to(compute_type(x));
    const Tensor b = head.narrow(2, half, half).to(compute_type(x));
    const Tensor c = cos.unsqueeze(1).to(compute_type(x));
    const Tensor s = sin.unsqueeze(1).to(compute_type(x)) * sign;
    const Tensor rotated = at::cat({(a * c - b * s).to(dtype), (b * c + a * s).to(dtype),
                                    head.narrow(2, 2 * half, width - 2 * half)},
                                   2);
    if (rotated_heads == x.size(1)) return rotated;
    return at::cat({rotated, x.narrow(1, rotated_heads, x.size(1) - rotated_heads)}, 1);
  }
  const Tensor source = x.stride(2) == 1 ? x : x.contiguous();
  Tensor y = at::empty(x.sizes(), x.options());
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const RotaryRows<Element> arguments{source.const_data_ptr<Element>(),
                                        source.stride(0),
                                        source.stride(1),
                                        x.size(1),
                                        rotated_heads,
                                        width,
                                        half,
                                        cos.const_data_ptr<float>(),
                                        sin.const_data_ptr<float>(),
                                        sign,
                                        y.mutable_data_ptr<Element>()};
    at::parallel_for(
        0, x.size(0), 1 + 16384 / (x.size(1) * width),
        [&](std::int64_t begin, std::int64_t end) { rotary_rows(arguments, begin, end); });
  });
  return y;
}

inline void check_rotary(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  if (x.dim() == 3 && cos.dim() == 2 && cos.sizes() == sin.sizes() && cos.size(0) == x.size(0) &&
      2 * cos.size(1) <= x.size(2)) {
    return;
  }
  raise("rotary expected x [T, H, D] and cos, sin [T, R/2] with R <= D, got {}, {}, {}",
        shape_text(x), shape_text(cos), shape_text(sin));
}

// The tables as the loops read them.
inline Tensor rotary_table(const Tensor& table, const Tensor& x) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x), table.detach().to(at::kFloat).contiguous());
  return has_cpu_kernel(x) ? table.detach().to(at::kFloat).contiguous() : table.detach();
}

}  // namespace detail

POSTTRAIN_INLINE Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  detail::check_rotary(x, cos, sin);
  const Tensor c = detail::rotary_table(cos, x), s = detail::rotary_table(sin, x);
  return differentiable(
      detail::rotate(x.detach(), c, s, x.size(1), 1), {x},
      [c, s](const Tensor& dy) { return Tensors{detail::rotate(dy, c, s, dy.size(1), -1)}; });
}

POSTTRAIN_INLINE Tensor rotary_qkv(const Tensor& qkv, std::int64_t q_heads, std::int64_t kv_heads,
                                   std::int64_t head_dim, const Tensor& cos, const Tensor& sin) {
  const std::int64_t heads = q_heads + 2 * kv_heads, rotated = q_heads + kv_heads;
  if (qkv.dim() != 2 || qkv.size(1) != heads * head_dim) {
    raise("rotary_qkv expected [T, (Hq + 2 Hkv) D] = [T, {}], got {}", heads * head_dim,
          shape_text(qkv));
  }
  const auto by_head = [heads, head_dim](const Tensor& x) {
    return x.unflatten(1, {heads, head_dim});
  };
  const Tensor x = by_head(qkv.detach());
  detail::check_rotary(x, cos, sin);
  const Tensor c = detail::rotary_table(cos, x), s = detail::rotary_table(sin, x);
  return differentiable(detail::rotate(x, c, s, rotated, 1).flatten(1), {qkv},
                        [c, s, rotated, by_head](const Tensor& dy) {
                          return Tensors{detail::rotate(by_head(dy), c, s, rotated, -1).flatten(1)};
                        });
}

}  // namespace posttrain
