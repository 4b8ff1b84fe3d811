// SPDX-License-Identifier: Apache-2.0
// Rows of a tensor that a CPU kernel walks over: which tensors take the fast path, where row i of a
// strided view starts, the split of a sum over rows that does not depend on the thread count, and
// work for threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "posttrain/tensor/kernels.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

/// CPU tensors of float32 or bfloat16 take the vectorised loops, others plain ATen operations.
inline bool has_cpu_kernel(const Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         x.numel() > 0 && !generic_kernels();
}

/// float32 mathematics for half types, double for double.
inline at::ScalarType compute_type(const Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// Rows of length size(-1) of a tensor whose last dimension is contiguous: row i starts at
/// i / inner · outer_stride + i % inner · inner_stride.
struct RowLayout {
  std::int64_t count = 0, inner = 1, outer_stride = 0, inner_stride = 0;
  std::int64_t offset(std::int64_t i) const {
    return i / inner * outer_stride + i % inner * inner_stride;
  }
};

/// Whether `row_layout` knows the strides of x; otherwise make it contiguous first.
inline bool has_row_layout(const Tensor& x) {
  return x.is_contiguous() || (x.dim() >= 1 && x.dim() <= 3 && x.stride(-1) == 1);
}

inline RowLayout row_layout(const Tensor& x) {
  const std::int64_t width = x.size(-1);
  const std::int64_t count = width > 0 ? x.numel() / width : 0;
  if (x.is_contiguous() || x.dim() == 1) return {count, 1, width, 0};
  if (x.dim() == 2) return {count, 1, x.stride(0), 0};
  return {count, std::max<std::int64_t>(x.size(1), 1), x.stride(0), x.stride(1)};
}

inline Tensor with_row_layout(const Tensor& x) { return has_row_layout(x) ? x : x.contiguous(); }

/// Number of partial sums over `rows` rows: fixed, so that results do not depend on the number of
/// threads.
inline std::int64_t row_chunks(std::int64_t rows) {
  return std::clamp<std::int64_t>(rows / 32, 1, 64);
}

/// Runs work(index, workspace) for all indices below `count` on all threads; whoever is free takes
/// the next index. The workspace is the same for all calls of a thread.
template <class Workspace, class Work>
void share_work(std::int64_t count, const Workspace& make_workspace, const Work& work) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t workers = std::min<std::int64_t>(at::get_num_threads(), count);
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t worker = begin; worker < end; ++worker) {
      auto workspace = make_workspace();
      for (std::int64_t index = next++; index < count; index = next++) work(index, workspace);
    }
  });
}

/// Calls f with a value of the element type, float or c10::BFloat16.
template <class Function>
void with_element_type(const Tensor& x, const Function& f) {
  if (x.scalar_type() == at::kFloat) {
    f(float{});
  } else {
    f(c10::BFloat16{});
  }
}

}  // namespace posttrain::detail
