// SPDX-License-Identifier: Apache-2.0
// Definitions of packed_matrix.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/packed_panels.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

#ifdef POSTTRAIN_HAS_BRGEMM

// w as pack_panel reads it.
inline Tensor packable(const Tensor& w) {
  if (w.scalar_type() == at::kFloat) return w.stride(1) == 1 ? w : w.contiguous();
  const std::int64_t in = w.size(1), even = in + in % 2;
  const bool readable = w.stride(1) == 1 && in == even && w.stride(0) % 2 == 0 &&
                        reinterpret_cast<std::uintptr_t>(w.const_data_ptr()) % 4 == 0;
  if (readable) return w;
  const Tensor copy = at::zeros({w.size(0), even}, w.options());
  copy.narrow(1, 0, in).copy_(w);
  return copy;
}

template <class Element>
Tensor pack_panels(const Tensor& given) {
  const Tensor w = packable(given);
  const std::int64_t out = w.size(0), depth = w.size(1);
  const std::int64_t count = (out + kPanelColumns - 1) / kPanelColumns;
  Tensor panels = at::empty({count, depth, kPanelColumns}, w.options());
  const auto* from = w.const_data_ptr<Element>();
  auto* to = panels.mutable_data_ptr<Element>();
  at::parallel_for(0, count, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i * kPanelColumns;
      pack_panel(from + row * w.stride(0), w.stride(0), std::min(kPanelColumns, out - row), depth,
                 depth, to + row * depth);
    }
  });
  return panels;
}

inline bool multiplies_bfloat16() {
  return std::string_view(half_products(at::kBFloat16)) == "native" && bfloat16_products_pay();
}

// x [m, in] as brgemm reads it: [rows, depth] of `type`, zeros beyond.
inline Tensor panel_input(const Tensor& x, at::ScalarType type, std::int64_t rows,
                          std::int64_t depth) {
  if (rows == x.size(0) && depth == x.size(1)) {
    const Tensor y = x.to(type);
    return y.stride(1) == 1 && y.stride(0) >= depth ? y : y.clone(at::MemoryFormat::Contiguous);
  }
  const Tensor padded = at::zeros({rows, depth}, x.options().dtype(type));
  padded.narrow(0, 0, x.size(0)).narrow(1, 0, x.size(1)).copy_(x);
  return padded;
}

#endif  // POSTTRAIN_HAS_BRGEMM

}  // namespace detail

POSTTRAIN_INLINE bool PackedMatrix::packs([[maybe_unused]] const Tensor& w) {
#ifdef POSTTRAIN_HAS_BRGEMM
  return w.defined() && w.dim() == 2 && detail::has_cpu_kernel(w) && detail::float_products_work();
#else
  return false;
#endif
}

POSTTRAIN_INLINE PackedMatrix::PackedMatrix(const Tensor& w) : out_(0), in_(0) {
  if (!packs(w)) {
    raise(
        "PackedMatrix expected a CPU matrix of float32 or bfloat16 and a processor with AVX2, got "
        "{}",
        shape_text(w));
  }
#ifdef POSTTRAIN_HAS_BRGEMM
  at::NoGradGuard no_grad;
  out_ = w.size(0), in_ = w.size(1);
  detail::with_element_type(
      w, [&](auto element) { panels_ = detail::pack_panels<decltype(element)>(w); });
#endif
}

POSTTRAIN_INLINE Tensor PackedMatrix::times(const Tensor& x,
                                            [[maybe_unused]] RowBlocks blocks) const {
  if (x.dim() != 2 || x.size(1) != in_ || x.scalar_type() != panels_.scalar_type() || !x.is_cpu()) {
    raise("PackedMatrix::times expected a CPU matrix [m, {}] of {}, got {} of {}", in_,
          at::toString(panels_.scalar_type()), shape_text(x), at::toString(x.scalar_type()));
  }
  at::NoGradGuard no_grad;
  Tensor y = at::empty({x.size(0), out_}, x.options());
#ifdef POSTTRAIN_HAS_BRGEMM
  const std::int64_t m = x.size(0), depth = panels_.size(1);
  if (m == 0) return y;
  const bool fixed = blocks == RowBlocks::fixed;
  const std::int64_t unit = fixed ? detail::kFixedRows : 1, rows = (m + unit - 1) / unit * unit;
  const auto input = [&](at::ScalarType type) { return detail::panel_input(x, type, rows, depth); };
  // By m, so that all rows of a call are computed alike.
  const bool few = !fixed && m <= detail::kFewHalfRows && detail::loops_take<c10::BFloat16>(m);
  if (x.scalar_type() == at::kFloat) {
    detail::multiply_panels<detail::FloatPanels, float>(input(at::kFloat), panels_, y, fixed);
  } else if (!few && detail::multiplies_bfloat16()) {
    detail::multiply_panels<detail::Bfloat16Panels, c10::BFloat16>(input(at::kBFloat16), panels_, y,
                                                                   fixed);
  } else {
    detail::multiply_panels<detail::WidenedPanels, c10::BFloat16>(input(at::kFloat), panels_, y,
                                                                  fixed);
  }
#endif
  return y;
}

POSTTRAIN_INLINE std::int64_t PackedMatrix::bytes() const {
  return panels_.numel() * static_cast<std::int64_t>(panels_.element_size());
}

}  // namespace posttrain
