// SPDX-License-Identifier: Apache-2.0
// NormalFloat4 on CUDA, both ways, with the codes of the CPU (storage/nf4_codec.hpp).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kNf4Code,
    // One block of threads for each block of values. A code is the number of midpoints below.
    PT_FN int nf4_code(float scaled, const float* midpoints) {
      int code = 0;
      for (int j = 0; j < 15; ++j) code += scaled > midpoints[j] ? 1 : 0;
      return code;
    }

    PT_KERNEL void quantize_nf4(const Element* x, const float* midpoints, unsigned char* codes,
                                float* absmax, long long size, long long block_size) {
      const long long first = PT_BLOCK * block_size;
      const long long rest = size - first;
      const bool partial = rest < block_size;
      const long long count = partial ? rest : block_size;
      float largest = 0.0F;
      for (long long i = PT_THREAD; i < count; i += PT_THREADS) {
        largest = larger(largest, fabsf(to_float(x[first + i])));
      }
      largest = block_max(largest);
      const float scale = larger(largest, 1e-38F);
      // bitsandbytes multiplies whole blocks by the inverse and divides the partial one.
      const float inverse = 1.0F / scale;
      if (PT_THREAD == 0) absmax[PT_BLOCK] = partial ? scale : largest;
      for (long long i = 2 * PT_THREAD; i < count; i += 2 * PT_THREADS) {
        int pair[2];
        for (int k = 0; k < 2; ++k) {
          pair[k] = 7;  // fills the last byte
          if (i + k >= count) continue;
          const float value = to_float(x[first + i + k]);
          pair[k] = nf4_code(partial ? value / scale : value * inverse, midpoints);
        }
        codes[(first + i) / 2] = static_cast<unsigned char>(pair[0] << 4 | pair[1]);
      }
    }

    // V values for each thread, all of one block: its size is a multiple of 16.
    PT_KERNEL void dequantize_nf4(const unsigned char* codes, const float* absmax,
                                  const float* table, Element* out, long long size,
                                  long long block_size) {
      PT_SHARED float values[16];
      if (PT_THREAD < 16) values[PT_THREAD] = table[PT_THREAD];
      PT_SYNC();
      const long long i = (PT_BLOCK * PT_THREADS + PT_THREAD) * V;
      if (i >= size) return;
      const float scale = absmax[i / block_size];
      Floats made;
      for (int k = 0; k < V; ++k) {
        const int byte = codes[(i + k) / 2];
        made.at[k] = values[(i + k) % 2 == 0 ? byte >> 4 : byte & 15] * scale;
      }
      store(out, i, made);
    })
// clang-format on

inline constexpr DeviceProgram kNf4{"nf4", kNf4Code};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t> quantize_nf4_kernel{
    &kNf4, "quantize_nf4"};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t> dequantize_nf4_kernel{
    &kNf4, "dequantize_nf4"};

/// Result{codes [(n + 1) / 2], absmax [blocks]}; midpoints [15] on its device.
template <class Result>
Result quantize_nf4(const Tensor& x, const Tensor& midpoints, std::int64_t block_size) {
  const Tensor flat = x.reshape({-1}).contiguous();
  const Result made{
      at::empty({(x.numel() + 1) / 2}, x.options().dtype(at::kByte)),
      at::empty({(x.numel() + block_size - 1) / block_size}, x.options().dtype(at::kFloat))};
  quantize_nf4_kernel({x.device(), x.scalar_type(), 1}, {made.absmax.numel(), 32}, flat, midpoints,
                      made.codes, made.absmax, x.numel(), block_size);
  return made;
}

/// `table` [16] on the device; `out` contiguous.
inline void dequantize_nf4(const Tensor& codes, const Tensor& absmax, const Tensor& table,
                           const Tensor& out, std::int64_t block_size) {
  constexpr int kThreads = 256;
  const Variant variant = variant_of(out, {out.numel()});
  dequantize_nf4_kernel(variant, {variant.blocks(out.numel(), kThreads), kThreads}, codes, absmax,
                        table, out, out.numel(), block_size);
}

}  // namespace posttrain::cuda

#endif
