// SPDX-License-Identifier: Apache-2.0
// Eigen's decomposition, to which tests of subspaces and of the policy compare theirs.
#pragma once

#include <Eigen/Dense>

#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/tensor/ops.hpp"

namespace osft_test {

using at::Tensor;
using posttrain::Complement;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Matrix to_eigen(const Tensor& tensor) {
  const Tensor t = tensor.detach().to(at::kDouble).contiguous();
  return Eigen::Map<const Matrix>(t.const_data_ptr<double>(), t.size(0), t.size(1));
}

/// U itself.
inline Tensor basis_of(const Complement& complement, at::ScalarType type = at::kDouble) {
  return complement.expand_columns(at::eye(complement.size(), at::TensorOptions().dtype(type)));
}

struct Directions {
  Matrix left, right;  // the leading singular vectors, as columns
};

inline Directions leading(const Tensor& w, std::int64_t rank) {
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(to_eigen(w),
                                              Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {svd.matrixU().leftCols(rank), svd.matrixV().leftCols(rank)};
}

}  // namespace osft_test
