// SPDX-License-Identifier: Apache-2.0
// Layer normalisation, y = (x − mean) / sqrt(var + eps) · w + b (arXiv 1607.06450).
#pragma once

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// x [..., d]; weight, bias [d], each may be undefined. Same shape and dtype as x; mathematics in
/// float32 (double for double).
inline Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const auto dtype = x.scalar_type();
  const auto compute = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor wide = x.to(compute);
  const Tensor centred = wide - wide.mean(-1, true);
  Tensor y = centred * (centred.pow(2).mean(-1, true) + eps).rsqrt();
  if (weight.defined()) y = y * weight.to(compute);
  if (bias.defined()) y = y + bias.to(compute);
  return y.to(dtype);
}

}  // namespace posttrain
