// SPDX-License-Identifier: Apache-2.0
// Matrices there and back through a storage.
#pragma once

#include "posttrain/tensor/ops.hpp"

namespace posttrain::test {

/// The matrix that a storage gives back for w.
Tensor round_trip(const auto& storage, const Tensor& w, at::ScalarType type = at::kFloat) {
  const Tensor out = at::empty(w.sizes(), type);
  storage.store(w).write(out);
  return out;
}

/// Bytes for each number of w.
double bytes_per_number(const auto& storage, const Tensor& w) {
  return static_cast<double>(storage.store(w).bytes()) / static_cast<double>(w.numel());
}

}  // namespace posttrain::test
