// SPDX-License-Identifier: Apache-2.0
// Two results of attention over disjoint keys as one, by log-sum-exp, on CUDA: a block for each
// query.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kMergeAttentionCode,
    // out [T, heads, width], lse [heads, T]. Without keys lse is −∞, or +∞ as FlashAttention has
    // it; the merged one is −∞.
    PT_FN float finite_or_none(float lse) { return lse < float_of_bits(0x7f800000U) ? lse : -lse; }

    PT_KERNEL void merge_attention(const Element* a, const float* a_lse, const Element* b,
                                   const float* b_lse, Element* out, float* lse, long long rows,
                                   long long heads, long long width) {
      const float none = float_of_bits(0xff800000U);
      const long long row = PT_BLOCK;
      const long long pieces = width / V;
      for (long long n = PT_THREAD; n < heads * pieces; n += PT_THREADS) {
        const long long head = n / pieces;
        const float of_a = finite_or_none(a_lse[head * rows + row]);
        const float of_b = finite_or_none(b_lse[head * rows + row]);
        const float top = larger(of_a, of_b);
        const float base = top == none ? 0.0F : top;
        const float share_a = expf(of_a - base);
        const float share_b = expf(of_b - base);
        const float sum = share_a + share_b;
        const float factor = sum > 0.0F ? 1.0F / sum : 0.0F;
        const Floats first = load(a + row * heads * width, n * V);
        const Floats second = load(b + row * heads * width, n * V);
        Floats merged;
        for (int k = 0; k < V; ++k) {
          merged.at[k] = first.at[k] * (share_a * factor) + second.at[k] * (share_b * factor);
        }
        store(out + row * heads * width, n * V, merged);
        if (n % pieces == 0) lse[head * rows + row] = sum > 0.0F ? base + logf(sum) : none;
      }
    })
// clang-format on

inline constexpr DeviceProgram kMergeAttention{"merge_attention", kMergeAttentionCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t>
    merge_attention_kernel{&kMergeAttention, "merge_attention"};

/// Result{out, lse} of two of them; all contiguous.
template <class Result>
Result merge_attention(const Result& a, const Result& b) {
  const std::int64_t rows = a.out.size(0), heads = a.out.size(1), width = a.out.size(2);
  const Result merged{at::empty_like(a.out), at::empty_like(a.lse)};
  const Variant variant = variant_of(a.out, {width}, {&b.out});
  merge_attention_kernel(variant, {rows, variant.threads(heads * width)}, a.out, a.lse, b.out,
                         b.lse, merged.out, merged.lse, rows, heads, width);
  return merged;
}

}  // namespace posttrain::cuda

#endif
