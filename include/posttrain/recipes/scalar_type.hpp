// SPDX-License-Identifier: Apache-2.0
// LibTorch's type for what a recipe computes in.
#pragma once

#include "posttrain/recipes/names.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

constexpr at::ScalarType scalar_type(TrainDtype dtype) {
  return dtype == TrainDtype::bfloat16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace posttrain
