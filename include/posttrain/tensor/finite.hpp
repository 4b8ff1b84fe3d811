// SPDX-License-Identifier: Apache-2.0
// Whether tensors hold finite numbers only.
#pragma once

#include <cmath>
#include <tuple>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// Without a temporary of the tensor's size: NaN passes through minimum and maximum.
inline bool all_finite(const Tensor& tensor) {
  if (!at::isFloatingType(tensor.scalar_type()) || tensor.numel() == 0) return true;
  const auto [low, high] = at::aminmax(tensor.detach());
  return std::isfinite(low.item<double>()) && std::isfinite(high.item<double>());
}

inline bool all_finite(const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& tensor : tensors) {
    if (!all_finite(tensor.value)) return false;
  }
  return true;
}

}  // namespace posttrain
