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
    // One block of threads for each block of values. As bitsandbytes on the CPU, the scaled value
    // is first rounded to a grid of 65,536 points in [−1, 1].
    PT_KERNEL void quantize_int8(const Element* x, const float* map, unsigned char* codes,
                                 float* absmax, long long size, long long block_size) {
      PT_SHARED float values[256];
      for (int j = PT_THREAD; j < 256; j += PT_THREADS) values[j] = map[j];
      const long long first = PT_BLOCK * block_size;
      const long long rest = size - first;
      const long long count = rest < block_size ? rest : block_size;
      float largest = 0.0F;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) {
        largest = larger(largest, fabsf(to_float(x[first + i])));
      }
      largest = block_max(largest);  // and all values are there
      if (PT_THREAD == 0) absmax[PT_BLOCK] = largest;
      const float inverse = 1.0F / largest;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) {
        const float scaled = to_float(x[first + i]) * inverse;
        const float above = scaled > -1.0F ? scaled : -1.0F;  // a NaN becomes −1
        const float half = ((above < 1.0F ? above : 1.0F) + 1.0F) * 0.5F;
        const int point = static_cast<int>(fmaf(half, 65535.0F, 0.5F));
        const float value = static_cast<float>(2 * point) / 65535.0F - 1.0F;
        codes[first + i] =
            static_cast<unsigned char>(largest == 0.0F ? 0 : nearest_entry(value, values));
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

/// Result{codes of x's shape, absmax [blocks]}; `map` [256] on its device.
template <class Result>
Result quantize_int8(const Tensor& x, const Tensor& map, std::int64_t block_size) {
  const Tensor flat = x.reshape({-1}).contiguous();
  const Result made{
      at::empty(x.sizes(), x.options().dtype(at::kByte)),
      at::empty({(x.numel() + block_size - 1) / block_size}, x.options().dtype(at::kFloat))};
  quantize_int8_kernel({x.device(), x.scalar_type(), 1}, {made.absmax.numel(), 64}, flat, map,
                       made.codes, made.absmax, x.numel(), block_size);
  return made;
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
