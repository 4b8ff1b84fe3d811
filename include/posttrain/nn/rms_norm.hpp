// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalisation, y = x / sqrt(mean(x²) + eps) · w (arXiv 1910.07467).
//
// Mathematics in float32. Rounding for bfloat16 as in transformers: Llama casts the normalised x
// and then multiplies by w; Gemma (`plus_one`) multiplies by 1 + w in float32 and casts at the end.
// Backward, with x̂ = x r, g = dy w: dx = r (g − x̂ mean(g x̂)), dw = Σ dy x̂.
#pragma once

#include <utility>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// x [..., d] (a view of up to 3 dimensions may be strided), weight [d]; `plus_one`: the factor is
/// 1 + weight. Returns a contiguous tensor of x's shape and dtype.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, bool plus_one = false);

/// (x + residual, rms_norm(x + residual)) in one pass, one backward for both.
std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& residual,
                                       const Tensor& weight, double eps, bool plus_one = false);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/rms_norm.ipp"
#endif
