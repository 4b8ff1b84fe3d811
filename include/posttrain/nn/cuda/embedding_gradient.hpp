// SPDX-License-Identifier: Apache-2.0
// The gradient of a table of embeddings on CUDA: rows of one token are added up in their order by
// one block, so that the sum is the same in every run (index_add_ uses atomics there).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kEmbeddingGradientCode,
    // sorted [count]: the ids in ascending order; order [count]: the rows they come from. A block
    // works where a run of one id begins.
    PT_KERNEL void embedding_gradient(const Element* d, const long long* sorted,
                                      const long long* order, float* grad, long long count,
                                      long long width, long long padding_row, long long tiles) {
      const long long first = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      const long long id = sorted[first];
      if (i >= width || id == padding_row || (first > 0 && sorted[first - 1] == id)) return;
      Floats total = load(d + order[first] * width, i);
      for (long long n = first + 1; n < count && sorted[n] == id; ++n) {
        const Floats more = load(d + order[n] * width, i);
        for (int k = 0; k < V; ++k) total.at[k] += more.at[k];
      }
      const Floats old = load_floats(grad + id * width, i);
      for (int k = 0; k < V; ++k) total.at[k] += old.at[k];
      store_floats(grad + id * width, i, total);
    })
// clang-format on

inline constexpr DeviceProgram kEmbeddingGradient{"embedding_gradient", kEmbeddingGradientCode};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t>
    embedding_gradient_kernel{&kEmbeddingGradient, "embedding_gradient"};

/// Adds the rows of d [n, width] to those of `grad` [V, width] fp32 that `ids` [n] name;
/// `padding_row` (−1: none) gets none.
inline void add_embedding_gradient(const Tensor& d, const Tensor& ids, const Tensor& grad,
                                   std::int64_t padding_row) {
  const Tensor rows = d.contiguous();
  const auto [sorted, order] = ids.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const std::int64_t width = rows.size(1);
  const Variant variant = variant_of(rows, {width}, {&grad});
  const int threads = variant.threads(width, 128);
  const std::int64_t tiles = variant.blocks(width, threads);
  embedding_gradient_kernel(variant, {rows.size(0) * tiles, threads}, rows, sorted, order, grad,
                            rows.size(0), width, padding_row, tiles);
}

}  // namespace posttrain::cuda

#endif
