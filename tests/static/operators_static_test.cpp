// SPDX-License-Identifier: Apache-2.0
// Formulas compile behind the type Tensor alone, in any namespace.
#include "posttrain/tensor/tensor.hpp"

namespace elsewhere {

[[maybe_unused]] at::Tensor formula(const at::Tensor& x, const at::Tensor& m) {
  return exp(-x) * m - log(sigmoid(x)) * (1 - m) / 2.0 + square(relu(x - 0.5) + 1) - 2 / expm1(m);
}

}  // namespace elsewhere
