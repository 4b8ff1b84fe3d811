// SPDX-License-Identifier: Apache-2.0
// The three matrix products of training: y = x wᵀ, dx = dy w, dw += dyᵀ x.
//
// In float32, at::mm goes to the BLAS that LibTorch was built with (MKL), which is up to twice
// slower than oneDNN in the same library on processors of another maker. oneDNN is reached through
// an exported but undocumented function of LibTorch; the build defines POSTTRAIN_HAS_MKLDNN_MATMUL
// where it links. bfloat16 takes oneDNN inside at::mm anyway.
#pragma once

#include <chrono>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "posttrain/core/error.hpp"
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
// blas), else oneDNN unless the BLAS proves clearly faster in a measurement of a few milliseconds.
// The margin keeps the choice, and so the last bits of results, the same from run to run.
inline bool choose_onednn() {
#ifdef POSTTRAIN_HAS_MKLDNN_MATMUL
  if (const char* chosen = std::getenv("POSTTRAIN_GEMM")) {
    const std::string_view name(chosen);
    if (name == "onednn") return true;
    if (name == "blas") return false;
    raise("POSTTRAIN_GEMM expected onednn or blas, got {}", name);
  }
  const Tensor a = at::ones({384, 384}, at::kFloat), b = at::ones({384, 384}, at::kFloat);
  Tensor result = at::empty({384, 384}, at::kFloat);
  const auto seconds = [&](auto&& product) {
    product();
    double best = std::numeric_limits<double>::infinity();
    for (int repeat = 0; repeat < 5; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      product();
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      best = std::min(best, elapsed.count());
    }
    return best;
  };
  try {
    const double onednn = seconds([&] { onednn_gemm(a, b.t(), result, 0); });
    return seconds([&] { result = at::mm(a, b.t()); }) > 0.8 * onednn;
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

// a [m, k] times b [k, n].
inline Tensor gemm(const Tensor& a, const Tensor& b) {
  if (!use_onednn(a, b, a.size(0) * a.size(1) * b.size(1))) return at::mm(a, b);
  Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
  onednn_gemm(a, b, result, 0);
  return result;
}

inline void check_matrices(const char* name, const Tensor& a, const Tensor& b, bool fits) {
  if (a.dim() == 2 && b.dim() == 2 && fits) return;
  raise("{} expected matrices that fit, got {} and {}", name, shape_text(a), shape_text(b));
}

}  // namespace detail

/// x wᵀ: [m, k] times [n, k] gives [m, n]. Strided views are fine. Computed without a graph.
inline Tensor matmul_nt(const Tensor& x, const Tensor& w) {
  detail::check_matrices("matmul_nt", x, w, x.size(-1) == w.size(-1));
  at::NoGradGuard no_grad;
  return detail::gemm(x, w.t());
}

/// a b: [m, k] times [k, n] gives [m, n]. Strided views are fine. Computed without a graph.
inline Tensor matmul_nn(const Tensor& a, const Tensor& b) {
  detail::check_matrices("matmul_nn", a, b, a.size(-1) == b.size(0));
  at::NoGradGuard no_grad;
  return detail::gemm(a, b);
}

/// acc += dyᵀ x: dy [m, n], x [m, k], acc [n, k] (strided is fine) in the inputs' dtype or float32.
/// bfloat16 inputs with a float32 acc: the product is rounded to bfloat16, then added in float32.
inline void accumulate_tn(const Tensor& acc, const Tensor& dy, const Tensor& x) {
  detail::check_matrices("accumulate_tn", dy, x, dy.size(0) == x.size(0));
  detail::check_matrices("accumulate_tn into", acc, dy,
                         acc.size(0) == dy.size(-1) && acc.size(-1) == x.size(-1));
  at::NoGradGuard no_grad;
  if (acc.scalar_type() != dy.scalar_type()) {
    acc.add_(at::mm(dy.t(), x));
  } else if (detail::use_onednn(dy, x, acc.numel() * dy.size(0))) {
    detail::onednn_gemm(dy.t(), x, acc, 1);
  } else {
    acc.addmm_(dy.t(), x);
  }
}

}  // namespace posttrain
