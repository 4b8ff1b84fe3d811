// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalisation, y = x / sqrt(mean(x²) + eps) · w (arXiv 1910.07467).
//
// Mathematics in float32. Rounding for bfloat16 as in transformers: Llama casts the normalised x
// and then multiplies by w; Gemma (`plus_one`) multiplies by 1 + w in float32 and casts at the end.
#pragma once

#include <utility>

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// x [..., d], weight [d]; `plus_one`: the factor is 1 + weight. Same shape and dtype as x.
inline Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, bool plus_one = false) {
  const auto dtype = x.scalar_type();
  const auto compute = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor wide = x.to(compute);
  const Tensor normed = wide * (wide.pow(2).mean(-1, true) + eps).rsqrt();
  if (plus_one) return (normed * (weight.to(compute) + 1)).to(dtype);
  return normed.to(dtype) * weight.to(dtype);
}

/// (x + residual, rms_norm(x + residual)) in one pass.
inline std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& residual,
                                              const Tensor& weight, double eps,
                                              bool plus_one = false) {
  Tensor sum = x + residual;
  Tensor normed = rms_norm(sum, weight, eps, plus_one);
  return {std::move(sum), std::move(normed)};
}

}  // namespace posttrain
