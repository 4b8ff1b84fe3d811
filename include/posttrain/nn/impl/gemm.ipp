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
#include "posttrain/nn/row_blocks.hpp"
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

// Whether products of a half type are computed from panels in float32. x86-64 only: elsewhere
// LibTorch's own libraries know.
inline bool widens(at::ScalarType type) {
  if (type != at::kBFloat16 && type != at::kHalf) return false;
  static const std::string_view chosen = [] {
    const char* name = std::getenv("POSTTRAIN_HALF_PRODUCTS");
    if (name == nullptr) return std::string_view();
    if (std::string_view(name) == "native" || std::string_view(name) == "float32") {
      return std::string_view(name);
    }
    raise("POSTTRAIN_HALF_PRODUCTS expected native or float32, got {}", name);
  }();
  if (!chosen.empty()) return chosen == "float32";
#if defined(__x86_64__)
  return type == at::kHalf || __builtin_cpu_supports("avx512bf16") == 0;
#else
  return false;
#endif
}

inline bool widens(const Tensor& a) { return a.is_cpu() && widens(a.scalar_type()); }

// Float32 numbers of one operand's panel: 8 MB.
inline constexpr std::int64_t kPanelNumbers = 1 << 21;

/// Pieces [begin, begin + size) of `count` so that size · `width` numbers make a panel.
template <class Visit>
void for_panels(std::int64_t count, std::int64_t width, Visit visit) {
  const std::int64_t fit = kPanelNumbers / std::max<std::int64_t>(1, width);
  const std::int64_t step = std::max<std::int64_t>(256, fit / 256 * 256);
  for (std::int64_t begin = 0; begin < count; begin += step) {
    visit(begin, std::min(step, count - begin));
  }
}

inline Tensor gemm(const Tensor& a, const Tensor& b);

// Rows of w [n, k] that are dotted at once with one row of x.
inline constexpr std::int64_t kDotRows = 4;

template <class Element>
POSTTRAIN_ALWAYS_INLINE void dot_rows_body(const Element* w, std::int64_t stride, std::int64_t k,
                                           const float* x, float* out) {
  const Element *w0 = w, *w1 = w + stride, *w2 = w + 2 * stride, *w3 = w + 3 * stride;
  float s0 = 0.0F, s1 = 0.0F, s2 = 0.0F, s3 = 0.0F;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (std::int64_t i = 0; i < k; ++i) {
    s0 += simd::load(w0, i) * x[i];
    s1 += simd::load(w1, i) * x[i];
    s2 += simd::load(w2, i) * x[i];
    s3 += simd::load(w3, i) * x[i];
  }
  out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}
POSTTRAIN_SIMD void dot_rows(const c10::BFloat16* w, std::int64_t stride, std::int64_t k,
                             const float* x, float* out) {
  dot_rows_body(w, stride, k, x, out);
}

// A few rows (decoding) against a matrix whose rows lie in memory as they are: it is read once, in
// 16 bits. Returns nothing where that does not fit.
inline Tensor few_rows(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t kMostRows = 4;
  const std::int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  if (m == 0 || m > kMostRows || a.scalar_type() != at::kBFloat16 || b.stride(0) != 1 ||
      n % kDotRows != 0) {
    return {};
  }
  const Tensor x = a.to(at::kFloat).contiguous(), out = at::empty({m, n}, at::kFloat);
  const auto* rows = x.const_data_ptr<float>();
  const auto* w = b.const_data_ptr<c10::BFloat16>();
  auto* y = out.mutable_data_ptr<float>();
  const std::int64_t stride = b.stride(1);
  at::parallel_for(0, n / kDotRows, std::max<std::int64_t>(1, (1 << 16) / (k * kDotRows + 1)),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t j = begin * kDotRows; j < end * kDotRows; j += kDotRows) {
                       for (std::int64_t i = 0; i < m; ++i) {
                         dot_rows(w + j * stride, stride, k, rows + i * k, y + i * n + j);
                       }
                     }
                   });
  return out.to(a.scalar_type());
}

// out (a [m, k] b [k, n], of a half type) or, with `add`, out + a b, from panels in float32.
inline void widened_product(const Tensor& a, const Tensor& b, const Tensor& out, bool add) {
  for_panels(a.size(0), a.size(1), [&](std::int64_t row, std::int64_t rows) {
    const Tensor wide = a.narrow(0, row, rows).to(at::kFloat);
    for_panels(b.size(1), b.size(0), [&](std::int64_t column, std::int64_t columns) {
      const Tensor product = gemm(wide, b.narrow(1, column, columns).to(at::kFloat));
      const Tensor target = out.narrow(0, row, rows).narrow(1, column, columns);
      if (add) {
        target.add_(product);
      } else {
        target.copy_(product);
      }
    });
  });
}

// Rows of a [m, k] in blocks of one number, filled up with zeros, so that the kernel and the bits
// of a row do not depend on how many there are.
inline Tensor gemm_of_fixed_rows(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t kRows = 64;
  Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
  for (std::int64_t begin = 0; begin < a.size(0); begin += kRows) {
    const std::int64_t count = std::min(kRows, a.size(0) - begin);
    const Tensor rows = at::constant_pad_nd(a.narrow(0, begin, count), {0, 0, 0, kRows - count});
    result.narrow(0, begin, count).copy_(at::mm(rows, b).narrow(0, 0, count));
  }
  return result;
}

inline bool fixed_rows() { return row_blocks_of_thread() == RowBlocks::fixed; }

// a [m, k] times b [k, n], m counting tokens.
inline Tensor gemm(const Tensor& a, const Tensor& b) {
  if (fixed_rows()) return gemm_of_fixed_rows(a, b);
  if (widens(a)) {
    if (Tensor y = few_rows(a, b); y.defined()) return y;
    Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
    widened_product(a, b, result, /*add=*/false);
    return result;
  }
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
  if (detail::fixed_rows()) {
    acc.add_(detail::gemm_of_fixed_rows(a, b));
    return;
  }
  if (detail::widens(a)) return detail::widened_product(a, b, acc, /*add=*/true);
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
  if (detail::widens(dy)) {
    const bool exact = acc.scalar_type() == at::kFloat;
    const Tensor sum = exact ? acc : at::zeros(acc.sizes(), acc.options().dtype(at::kFloat));
    detail::for_panels(dy.size(0), std::max(dy.size(1), x.size(1)),
                       [&](std::int64_t row, std::int64_t rows) {
                         accumulate_tn(sum, dy.narrow(0, row, rows).to(at::kFloat),
                                       x.narrow(0, row, rows).to(at::kFloat));
                       });
    if (!exact) acc.add_(sum);
    return;
  }
  const bool fp32 = detail::use_onednn(dy, x, acc.numel() * dy.size(0));
  if (!fp32 && !detail::mm_is_onednn(dy)) {
    if (acc.scalar_type() == dy.scalar_type()) {
      acc.addmm_(dy.t(), x);
    } else if (acc.is_cuda() && acc.scalar_type() == at::kFloat) {
      // cuBLAS adds in float32 to what is there: no product in 16 bits, no second pass.
      Tensor sum = acc;
      at::addmm_out(sum, acc, dy.t(), x, at::kFloat);
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

POSTTRAIN_INLINE const char* half_products(at::ScalarType dtype) {
  return detail::widens(dtype) ? "float32" : "native";
}

}  // namespace posttrain
