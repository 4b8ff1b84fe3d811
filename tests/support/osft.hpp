// SPDX-License-Identifier: Apache-2.0
// What the tests of subspaces and of the policy share: Eigen's decomposition, a folder.
#pragma once

#include <unistd.h>

#include <Eigen/Dense>

#include "posttrain/io/atomic_file.hpp"
#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/tensor/ops.hpp"

namespace osft_test {

using at::Tensor;
using posttrain::Complement;
namespace io = posttrain::io;

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

/// A folder that disappears with the test.
struct TemporaryFolder {
  io::fs::path path =
      io::fs::temp_directory_path() / fmt::format("posttrain_osft_{}_{}", ::getpid(), counter()++);
  TemporaryFolder() { io::fs::create_directories(path); }
  ~TemporaryFolder() {
    std::error_code ignored;
    io::fs::remove_all(path, ignored);
  }
  static int& counter() {
    static int count = 0;
    return count;
  }
};

}  // namespace osft_test
