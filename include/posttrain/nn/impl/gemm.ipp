// SPDX-License-Identifier: Apache-2.0
// Definitions of gemm.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

#ifdef POSTTRAIN_HAS_MKLDNN_MATMUL
namespace at::native {
// result = beta · result + alpha · a b; strided operands and results.
void mkldnn_matmul(const Tensor& a, const Tensor& b, const Tensor& result, float beta, float alpha);
}  // namespace at::native
#endif

namespace posttrain {

namespace detail {

// Smaller products are done before oneDNN has looked up its kernel.
inline constexpr std::int64_t kSmallestOnednnProduct = 1 << 20;

inline void onednn_gemm([[maybe_unused]] const Tensor& a, [[maybe_unused]] const Tensor& b,
                        [[maybe_unused]] const Tensor& result, [[maybe_unused]] float beta) {
#ifdef POSTTRAIN_HAS_MKLDNN_MATMUL
  at::native::mkldnn_matmul(a, b, result, beta, 1.0F);
#endif
}

// Whether oneDNN should do float32 products in this process: what POSTTRAIN_GEMM says (onednn or
// blas), else oneDNN where it works. Not what a measurement at start says: a busy machine would
// make it choose differently, and a resumed run would no longer repeat the interrupted one bit for
// bit.
inline bool choose_onednn() {
#ifdef POSTTRAIN_HAS_MKLDNN_MATMUL
  if (const char* chosen = std::getenv("POSTTRAIN_GEMM")) {
    const std::string_view name(chosen);
    if (name == "onednn") return true;
    if (name == "blas") return false;
    raise("POSTTRAIN_GEMM expected onednn or blas, got {}", name);
  }
  try {
    const Tensor a = at::ones({32, 32}, at::kFloat), result = at::empty({32, 32}, at::kFloat);
    onednn_gemm(a, a, result, 0);
    return true;
  } catch (const c10::Error&) {  // a LibTorch built without oneDNN exports the function, too
    return false;
  }
#else
  return false;
#endif
}

inline bool use_onednn(const Tensor& a, const Tensor& b, std::int64_t multiplications) {
  if (a.scalar_type() != at::kFloat || b.scalar_type() != at::kFloat || !a.is_cpu() ||
      !b.is_cpu() || multiplications < kSmallestOnednnProduct) {
    return false;
  }
  static const bool chosen = choose_onednn();
  return chosen;
}

// oneDNN compiles a kernel per shape and keeps it: token counts that differ from batch to batch
// would cost a compilation each and memory without end. So the token dimension is cut into a
// multiple of 256, a multiple of 32, and a rest that goes to the BLAS: a few dozen shapes in all.
template <class Product>
void for_token_pieces(std::int64_t tokens, Product product) {
  std::int64_t begin = 0;
  for (const std::int64_t unit : {256, 32, 1}) {
    const std::int64_t size = (tokens - begin) / unit * unit;
    if (size > 0) product(begin, size, /*onednn=*/unit > 1);
    begin += size;
  }
}

// Whether at::mm itself goes to oneDNN: half types on the CPU.
inline bool mm_is_onednn(const Tensor& a) {
  return a.is_cpu() && (a.scalar_type() == at::kBFloat16 || a.scalar_type() == at::kHalf);
}

// a [m, k] times b [k, n], m counting tokens.
inline Tensor gemm(const Tensor& a, const Tensor& b) {
  const bool fp32 = use_onednn(a, b, a.size(0) * a.size(1) * b.size(1));
  if (!fp32 && !mm_is_onednn(a)) return at::mm(a, b);
  Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
  for_token_pieces(a.size(0), [&](std::int64_t begin, std::int64_t size, bool onednn) {
    const Tensor rows = a.narrow(0, begin, size);
    Tensor out = result.narrow(0, begin, size);
    if (fp32 && onednn) {
      onednn_gemm(rows, b, out, 0);
    } else {
      at::mm_out(out, rows, b);
    }
  });
  return result;
}

POSTTRAIN_SIMD void add_widened(const c10::BFloat16* x, std::int64_t count, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) out[i] += simd::load(x, i);
}

// acc += product, which is of a narrower type: one pass over memory, where ATen makes a float32
// copy of the product first.
inline void add_product(const Tensor& acc, const Tensor& product) {
  if (!product.is_cpu() || product.scalar_type() != at::kBFloat16 ||
      acc.scalar_type() != at::kFloat || acc.stride(-1) != 1) {
    acc.add_(product);
    return;
  }
  const auto* from = product.const_data_ptr<c10::BFloat16>();
  auto* to = acc.mutable_data_ptr<float>();
  const std::int64_t columns = acc.size(1), stride = acc.stride(0);
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, columns));
  at::parallel_for(0, acc.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      add_widened(from + r * columns, columns, to + r * stride);
  });
}

inline void check_matrices(const char* name, const Tensor& a, const Tensor& b, bool fits) {
  if (a.dim() == 2 && b.dim() == 2 && fits) return;
  raise("{} expected matrices that fit, got {} and {}", name, shape_text(a), shape_text(b));
}

}  // namespace detail

POSTTRAIN_INLINE Tensor matmul_nt(const Tensor& x, const Tensor& w) {
  detail::check_matrices("matmul_nt", x, w, x.size(-1) == w.size(-1));
  at::NoGradGuard no_grad;
  return detail::gemm(x, w.t());
}

POSTTRAIN_INLINE Tensor matmul_nn(const Tensor& a, const Tensor& b) {
  detail::check_matrices("matmul_nn", a, b, a.size(-1) == b.size(0));
  at::NoGradGuard no_grad;
  return detail::gemm(a, b);
}

POSTTRAIN_INLINE void accumulate_nn(const Tensor& acc, const Tensor& a, const Tensor& b) {
  detail::check_matrices("accumulate_nn", a, b, a.size(-1) == b.size(0));
  detail::check_matrices("accumulate_nn into", acc, a,
                         acc.size(0) == a.size(0) && acc.size(-1) == b.size(-1));
  at::NoGradGuard no_grad;
  const bool fp32 = detail::use_onednn(a, b, acc.numel() * a.size(1));
  if (!fp32 && !detail::mm_is_onednn(a)) {
    acc.addmm_(a, b);
    return;
  }
  detail::for_token_pieces(a.size(0), [&](std::int64_t begin, std::int64_t size, bool onednn) {
    const Tensor rows = a.narrow(0, begin, size), out = acc.narrow(0, begin, size);
    if (fp32 && onednn) {
      detail::onednn_gemm(rows, b, out, 1);
    } else {
      out.addmm_(rows, b);
    }
  });
}

POSTTRAIN_INLINE void accumulate_tn(const Tensor& acc, const Tensor& dy, const Tensor& x) {
  detail::check_matrices("accumulate_tn", dy, x, dy.size(0) == x.size(0));
  detail::check_matrices("accumulate_tn into", acc, dy,
                         acc.size(0) == dy.size(-1) && acc.size(-1) == x.size(-1));
  at::NoGradGuard no_grad;
  const bool fp32 = detail::use_onednn(dy, x, acc.numel() * dy.size(0));
  if (!fp32 && !detail::mm_is_onednn(dy)) {
    if (acc.scalar_type() == dy.scalar_type()) {
      acc.addmm_(dy.t(), x);
    } else {
      detail::add_product(acc, at::mm(dy.t(), x));
    }
    return;
  }
  detail::for_token_pieces(dy.size(0), [&](std::int64_t begin, std::int64_t size, bool onednn) {
    const Tensor a = dy.narrow(0, begin, size).t();
    const Tensor b = x.narrow(0, begin, size);
    if (fp32 && onednn) {
      detail::onednn_gemm(a, b, acc, 1);
    } else if (acc.scalar_type() == dy.scalar_type()) {
      acc.addmm_(a, b);
    } else {
      detail::add_product(acc, at::mm(a, b));
    }
  });
}

}  // namespace posttrain
