// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding on CUDA (nn/rotary.hpp has the formula): a block for each token.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kRotaryCode,
    // x [T, heads, width] by strides, y contiguous; of the first `rotated` heads 2 · half columns
    // turn, all others are copied. sign −1 turns back.
    PT_KERNEL void rotary(const Element* x, const float* cos, const float* sin, Element* y,
                          long long row_stride, long long head_stride, long long heads,
                          long long rotated, long long width, long long half, float sign) {
      const long long row = PT_BLOCK;
      const long long pieces = width / V;
      for (long long n = PT_THREAD; n < heads * pieces; n += PT_THREADS) {
        const long long head = n / pieces;
        const long long i = n % pieces * V;
        const Element* from = x + row * row_stride + head * head_stride;
        Floats values = load(from, i);
        if (head < rotated && i < 2 * half) {
          const bool second = i >= half;
          const long long angle = second ? i - half : i;
          const Floats other = load(from, second ? angle : i + half);
          const Floats c = load_floats(cos + row * half, angle);
          const Floats s = load_floats(sin + row * half, angle);
          const float side = second ? sign : -sign;
          for (int k = 0; k < V; ++k) {
            values.at[k] = values.at[k] * c.at[k] + other.at[k] * (s.at[k] * side);
          }
        }
        store(y + row * heads * width, n * V, values);
      }
    })
// clang-format on

inline constexpr DeviceProgram kRotary{"rotary", kRotaryCode};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, std::int64_t, float>
    rotary_kernel{&kRotary, "rotary"};

/// x [T, H, D] with contiguous heads; cos and sin [T, R / 2] contiguous fp32.
inline Tensor rotate(const Tensor& given, const Tensor& cos, const Tensor& sin,
                     std::int64_t rotated_heads, float sign) {
  const Tensor x = given.stride(2) == 1 ? given : given.contiguous();
  const std::int64_t heads = x.size(1), width = x.size(2), half = cos.size(1);
  const Tensor y = at::empty(x.sizes(), x.options());
  const Variant variant = variant_of(x, {width, half, x.stride(0), x.stride(1)}, {&cos, &sin});
  rotary_kernel(variant, {x.size(0), variant.threads(heads * width)}, x, cos, sin, y, x.stride(0),
                x.stride(1), heads, rotated_heads, width, half, sign);
  return y;
}

}  // namespace posttrain::cuda

#endif
