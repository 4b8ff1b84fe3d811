// SPDX-License-Identifier: Apache-2.0
// Shapes in error messages: "[2, 3]".
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

inline std::string shape_text(const Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  std::string text = "[";
  for (const std::int64_t size : tensor.sizes()) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

}  // namespace posttrain
