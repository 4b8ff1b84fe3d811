// SPDX-License-Identifier: Apache-2.0
// Block-wise 8 bits with a dynamic map on CUDA, both ways, with the codes of the CPU
// (storage/int8_codec.hpp).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kInt8Code,
    // The number of midpoints between neighbors of the map that are below x.
    PT_FN int nearest_code(float x, const float* midpoints) {
      int low = 0;
      int high = 255;
      while (low < high) {
        const int middle = (low + high) / 2;
        if (x > midpoints[middle]) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }

    // One block of threads for each block of values. As bitsandbytes on the CPU, the scaled value
    // is first rounded to a grid of 65,536 points in [−1, 1].
    PT_KERNEL void quantize_int8(const Element* x, const float* map, unsigned char* codes,
                                 float* absmax, long long size, long long block_size) {
      PT_SHARED float midpoints[255];
      for (int j = PT_THREAD; j < 255; j += PT_THREADS) {
        midpoints[j] = (map[j] + map[j + 1]) * 0.5F;
      }
      const long long first = PT_BLOCK * block_size;
      const long long rest = size - first;
      const long long count = rest < block_size ? rest : block_size;
      float largest = 0.0F;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) {
        largest = larger(largest, fabsf(to_float(x[first + i])));
      }
      largest = block_max(largest);  // and all midpoints are there
      if (PT_THREAD == 0) absmax[PT_BLOCK] = largest;
      const float inverse = 1.0F / largest;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) {
        const float scaled = to_float(x[first + i]) * inverse;
        const float above = scaled > -1.0F ? scaled : -1.0F;  // a NaN becomes −1
        const float half = ((above < 1.0F ? above : 1.0F) + 1.0F) * 0.5F;
        const int point = static_cast<int>(fmaf(half, 65535.0F, 0.5F));
        const float value = static_cast<float>(2 * point) / 65535.0F - 1.0F;
        codes[first + i] =
            static_cast<unsigned char>(largest == 0.0F ? 0 : nearest_code(value, midpoints));
      }
    }

    PT_KERNEL void dequantize_int8(const unsigned char* codes, const float* absmax,
                                   const float* map, Element* out, long long size,
                                   long long block_size) {
      PT_SHARED float values[256];
      for (int j = PT_THREAD; j < 256; j += PT_THREADS) values[j] = map[j];
      PT_SYNC();
      const long long i = (PT_BLOCK * PT_THREADS + PT_THREAD) * V;
      if (i >= size) return;
      Floats made;
      for (int k = 0; k < V; ++k) {
        made.at[k] = values[codes[i + k]] * absmax[(i + k) / block_size];
      }
      store(out, i, made);
    })
// clang-format on

inline constexpr DeviceProgram kInt8{"int8", kInt8Code};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t> quantize_int8_kernel{
    &kInt8, "quantize_int8"};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t> dequantize_int8_kernel{
    &kInt8, "dequantize_int8"};

/// A flat x → codes [n], absmax [blocks]; `map` [256] on its device.
inline void quantize_int8(const Tensor& x, const Tensor& map, const Tensor& codes,
                          const Tensor& absmax, std::int64_t block_size) {
  quantize_int8_kernel({x.device(), x.scalar_type(), 1}, {absmax.numel(), 64}, x, map, codes,
                       absmax, x.numel(), block_size);
}

/// `map` [256] on the device; `out` contiguous.
inline void dequantize_int8(const Tensor& codes, const Tensor& absmax, const Tensor& map,
                            const Tensor& out, std::int64_t block_size) {
  constexpr int kThreads = 256;
  const Variant variant = variant_of(out, {out.numel()});
  dequantize_int8_kernel(variant, {variant.blocks(out.numel(), kThreads), kThreads}, codes, absmax,
                         map, out, out.numel(), block_size);
}

}  // namespace posttrain::cuda

#endif
