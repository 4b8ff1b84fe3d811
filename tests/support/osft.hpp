// SPDX-License-Identifier: Apache-2.0
// Eigen's decompositions as the oracle of subspaces, and a small model of every kind of matrix.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/params/osft/subspace.hpp"
#include "posttrain/params/weights/impl/model_weights.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/kernels.hpp"

// Seconds of each file that uses them: instantiated in tests/params/osft/subspace_test.cpp.
extern template class Eigen::JacobiSVD<Eigen::MatrixXd>;
extern template class Eigen::HouseholderQR<Eigen::MatrixXd>;

namespace osft_test {

using at::Tensor;
using posttrain::Complement;
using posttrain::Layout;
using posttrain::OsftProjection;
using posttrain::ParameterGroup;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Matrix to_eigen(const Tensor& tensor) {
  const Tensor t = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
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

/// ‖ΔW − (1 − U_h U_hᵀ) ΔW (1 − V_h V_hᵀ)‖ / ‖ΔW‖
inline double leak(const Matrix& change, const Directions& protect) {
  const Matrix left = change - protect.left * (protect.left.transpose() * change);
  const Matrix both = left - (left * protect.right) * protect.right.transpose();
  return (change - both).norm() / change.norm();
}

inline constexpr OsftProjection kProjections[] = {OsftProjection::both_sides, OsftProjection::joint,
                                                  OsftProjection::input_only};

/// ‖what the projection forbids of ΔW‖ / ‖ΔW‖
inline double forbidden(OsftProjection projection, const Matrix& change,
                        const Directions& protect) {
  if (projection == OsftProjection::both_sides) return leak(change, protect);
  const Matrix right = change * protect.right;
  if (projection == OsftProjection::input_only) return right.norm() / change.norm();
  return (protect.left.transpose() * right).norm() / change.norm();
}

/// One of everything: a table, a fused site with biases, a transposed part, a long one, a tied
/// head.
struct OsftModel {
  at::ScalarType type = at::kDouble;
  bool tied = true;

  Layout layout() const {
    Layout all;
    all.tables = {{"embed.weight", 6, 8, -1}};
    all.sites = {{{{"q", 8, false}, {"k", 4, false}, {"v", 4, false}}, 8, true},
                 {{{"conv", 20, true}}, 8, true},
                 {{{"down", 8, false}}, 20, false},
                 {{{"lm_head", 6, false}}, 8, false, tied ? 0 : -1, true}};
    all.vectors = {{"norm.weight", 8, 1.0}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    if (!random) return at::full(shape, initial + 0.1, at::kDouble);
    return kernel_test::normal(shape, name.size() * 7 + static_cast<unsigned char>(name[0]));
  }
};

/// Keeps a matrix as it is, but as a stored one.
struct Kept {
  static constexpr bool dense = false;
  struct Matrix {
    Tensor w;
    void write(const Tensor& out) const { Tensor(out).copy_(w); }
    std::int64_t rows() const { return w.size(0); }
    std::int64_t bytes() const { return static_cast<std::int64_t>(w.nbytes()); }
  };
  constexpr void validate() const {}
  Matrix store(const Tensor& w) const { return {w.contiguous()}; }
};

/// Puts random numbers into every core.
template <class State>
void move_cores(State& state, double scale = 0.1) {
  std::uint64_t seed = 500;
  for (ParameterGroup& group : state.trainable()) {
    if (group.name == "cores")
      group.master.copy_(kernel_test::normal(group.master.sizes(), seed++) * scale);
  }
  state.publish();
}

}  // namespace osft_test
