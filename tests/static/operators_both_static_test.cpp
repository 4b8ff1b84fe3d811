// SPDX-License-Identifier: Apache-2.0
// ATen's operators beside the library's own: nothing is ambiguous.
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace elsewhere {

[[maybe_unused]] at::Tensor formula(const at::Tensor& x, const at::Tensor& m) {
  const at::Scalar two = 2;
  const at::Tensor taken = exp(-x) * m - log(sigmoid(x)) * (1 - m) / 2.0 + at::exp(m) - two * x;
  return taken + square(relu(x - 0.5) + 1) - 2 / expm1(m) + (x % 2) * (x > 0.5F);
}

}  // namespace elsewhere
