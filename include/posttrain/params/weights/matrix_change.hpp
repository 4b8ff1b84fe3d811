// SPDX-License-Identifier: Apache-2.0
// A change of a matrix that is kept apart from it: in a delta's file, beside a matrix in 4 bits.
#pragma once

#include <cstdint>

#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// The change of a matrix [rows, in]: nothing, a product, or a matrix.
struct MatrixChange {
  Tensor left{};   // [rows, r], or the change itself
  Tensor right{};  // [r, in], of a product

  bool defined() const { return left.defined(); }
  Tensor dense() const { return right.defined() ? left.matmul(right) : left; }
  void add_to(Tensor matrix) const {
    if (right.defined()) {
      matrix.addmm_(left, right);
    } else if (left.defined()) {
      matrix.add_(left);
    }
  }
  MatrixChange to(at::ScalarType type) const {
    return {left.defined() ? left.to(type) : left, right.defined() ? right.to(type) : right};
  }
  /// A product while that is smaller than the matrix.
  MatrixChange plus(const MatrixChange& other) const {
    if (!defined()) return other;
    if (right.defined() && other.right.defined()) {
      const std::int64_t rank = right.size(0) + other.right.size(0);
      const std::int64_t rows = left.size(0), in = right.size(1);
      if (rank * (rows + in) < rows * in) {
        return {at::cat({left, other.left}, 1), at::cat({right, other.right}, 0)};
      }
    }
    return {dense() + other.dense(), {}};
  }
  std::int64_t bytes() const {
    std::int64_t total = 0;
    if (left.defined()) total += static_cast<std::int64_t>(left.nbytes());
    if (right.defined()) total += static_cast<std::int64_t>(right.nbytes());
    return total;
  }
};

}  // namespace posttrain
