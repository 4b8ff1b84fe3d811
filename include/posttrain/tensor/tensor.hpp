// SPDX-License-Identifier: Apache-2.0
// The Tensor type with its methods, for declarations: half of the cost of tensor/ops.hpp, which
// adds operators (a + b) and functions (at::zeros).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <vector>

namespace posttrain {

using at::Tensor;
using Tensors = std::vector<Tensor>;

}  // namespace posttrain
