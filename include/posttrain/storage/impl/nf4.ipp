// SPDX-License-Identifier: Apache-2.0
// Definitions of nf4.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/storage/nf4_codec.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

POSTTRAIN_INLINE Nf4Matrix Nf4::store(const Tensor& w) const {
  at::NoGradGuard no_grad;
  if (w.dim() != 2) raise("Nf4 expected a matrix to store, got {}", shape_text(w));
  QuantizedNf4 quantized = quantize_nf4(w, blocksize);
  Nf4Matrix matrix;
  matrix.row_count = w.size(0);
  matrix.columns = w.size(1);
  matrix.blocksize = blocksize;
  matrix.codes = std::move(quantized.codes);
  matrix.absmax = std::move(quantized.absmax);
  if (!double_quant) return matrix;
  const Tensor mean = matrix.absmax.mean();
  Quantized8Bit nested = quantize_8bit(matrix.absmax - mean, true, Nf4Matrix::kNestedBlocksize);
  matrix.absmax = std::move(nested.codes);
  matrix.nested_absmax = std::move(nested.absmax);
  matrix.nested_map = dynamic_map(true);
  matrix.offset = mean.item<float>();
  return matrix;
}

POSTTRAIN_INLINE Tensor Nf4Matrix::scales() const {
  if (!nested()) return absmax;
  Tensor scales = at::empty(absmax.sizes(), nested_absmax.options());
  dequantize_8bit({absmax, nested_absmax}, nested_map, kNestedBlocksize, scales);
  return scales.add_(offset);
}

POSTTRAIN_INLINE void Nf4Matrix::write(const Tensor& out) const {
  at::NoGradGuard no_grad;
  if (out.sizes() != at::IntArrayRef({row_count, columns})) {
    raise("a stored matrix of [{}, {}] expected a tensor of that shape to write, got {}", row_count,
          columns, shape_text(out));
  }
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  dequantize_nf4(codes, scales(), blocksize, dense);
  if (!out.is_contiguous()) out.copy_(dense);
}

POSTTRAIN_INLINE std::int64_t Nf4Matrix::bytes() const {
  const auto size = [](const Tensor& t) {
    return t.defined() ? static_cast<std::int64_t>(t.nbytes()) : std::int64_t{0};
  };
  return size(codes) + size(absmax) + size(nested_absmax);
}

}  // namespace posttrain
