// SPDX-License-Identifier: Apache-2.0
// The types that a program may compute in, as a command line names them.
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace examples {

enum class Dtype { float32, bfloat16 };

inline at::ScalarType scalar_type(Dtype dtype) {
  return dtype == Dtype::bfloat16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace examples
