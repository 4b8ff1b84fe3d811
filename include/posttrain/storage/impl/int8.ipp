// SPDX-License-Identifier: Apache-2.0
// Definitions of int8.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

POSTTRAIN_INLINE Int8Matrix Int8::store(const Tensor& w) const {
  if (w.dim() != 2) raise("Int8 expected a matrix to store, got {}", shape_text(w));
  return {quantize_8bit(w, true, blocksize), blocksize};
}

POSTTRAIN_INLINE void Int8Matrix::write(const Tensor& out) const {
  at::NoGradGuard no_grad;
  if (out.sizes() != quantized.codes.sizes()) {
    raise("a stored matrix of {} expected a tensor of that shape to write, got {}",
          shape_text(quantized.codes), shape_text(out));
  }
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  dequantize_8bit(quantized, dynamic_map(true), blocksize, dense);
  if (!out.is_contiguous()) out.copy_(dense);
}

POSTTRAIN_INLINE std::int64_t Int8Matrix::rows() const { return quantized.codes.size(0); }

POSTTRAIN_INLINE std::int64_t Int8Matrix::bytes() const {
  return static_cast<std::int64_t>(quantized.codes.nbytes() + quantized.absmax.nbytes());
}

}  // namespace posttrain
