// SPDX-License-Identifier: Apache-2.0
// Layer normalisation, y = (x − mean) / sqrt(var + eps) · w + b (arXiv 1607.06450).
//
// Mathematics in float32 (double for double). Backward, with x̂ = (x − mean) r and g = dy w:
// dx = r (g − mean(g) − x̂ mean(g x̂)), dw = Σ dy x̂, db = Σ dy.
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// x [..., d] (a view of up to 3 dimensions may be strided); weight, bias [d], each may be
/// undefined. Returns a contiguous tensor of x's shape and dtype.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/layer_norm.ipp"
#endif
