// SPDX-License-Identifier: Apache-2.0
// The Tensor type with its methods, arithmetic (a + b) and the functions of formulas (exp): half of
// the cost of tensor/ops.hpp, which adds ATen's functions (at::zeros).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "posttrain/tensor/operators.hpp"

namespace posttrain {

using at::Tensor;
using Tensors = std::vector<Tensor>;

}  // namespace posttrain
