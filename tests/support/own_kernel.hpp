// SPDX-License-Identifier: Apache-2.0
// The kernel of docs/devices.md: as small as one can be.
#pragma once

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

// [snippet: kernel]
namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kClampCode,
    PT_KERNEL void clamp(const Element* x, Element* y, long long size, float bound) {
      const long long i = (PT_BLOCK * PT_THREADS + PT_THREAD) * V;
      if (i >= size) return;
      Floats values = load(x, i);
      for (int k = 0; k < V; ++k) values.at[k] = fminf(fmaxf(values.at[k], -bound), bound);
      store(y, i, values);
    })
// clang-format on

inline constexpr DeviceProgram kClamp{"clamp", kClampCode};
inline constexpr Kernel<Data, Data, std::int64_t, float> clamp_kernel{&kClamp, "clamp"};

/// A contiguous x on CUDA, of float32 or bfloat16.
inline Tensor clamped(const Tensor& x, double bound) {
  const Tensor y = at::empty_like(x);
  const Variant variant = variant_of(x, {x.numel()});  // 16 bytes at once where they divide it
  clamp_kernel(variant, {variant.blocks(x.numel(), 256), 256}, x, y, x.numel(),
               static_cast<float>(bound));
  return y;
}

}  // namespace posttrain::cuda
// [/snippet]
