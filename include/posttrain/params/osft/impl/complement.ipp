// SPDX-License-Identifier: Apache-2.0
// Definitions of complement.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/params/osft/complement.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

POSTTRAIN_INLINE Complement Complement::of(const Tensor& directions, at::ScalarType type) {
  at::NoGradGuard no_grad;
  Complement u;
  u.n_ = directions.size(0);
  u.k_ = directions.size(1);
  if (u.k_ == 0) return u;
  const auto [packed, tau] = directions.geqrf();
  // A reflection with τ = 0 is the identity: no vector, and any number for 1/τ.
  const Tensor idle = tau == 0;
  u.y_ = packed.tril(-1);
  u.y_.diagonal().fill_(1);
  u.y_.masked_fill_(idle.unsqueeze(0), 0);
  // T⁻¹ has the products of the vectors above its diagonal, and 1/τ on it.
  Tensor inverse = u.y_.t().matmul(u.y_).triu(1);
  inverse.diagonal().copy_(tau.masked_fill(idle, 1).reciprocal());
  u.kernel_ = at::linalg_solve_triangular(inverse, at::eye(u.k_, tau.options()), /*upper=*/true);
  if (is_explicit(u.n_, u.k_)) {
    u.basis_ = u.expand_columns(at::eye(u.size(), tau.options())).to(type).contiguous();
    u.y_ = u.kernel_ = Tensor();
  } else {
    // Row by row, whatever LAPACK prefers: products then have the same bits after a file.
    u.y_ = u.y_.to(type).contiguous();
    u.kernel_ = u.kernel_.to(type).contiguous();
  }
  return u;
}

POSTTRAIN_INLINE Complement Complement::spanned_by(const Tensor& basis, at::ScalarType type) {
  Complement u;
  u.n_ = basis.size(0);
  u.k_ = basis.size(0) - basis.size(1);
  u.basis_ = basis.to(type).contiguous();
  return u;
}

POSTTRAIN_INLINE Complement Complement::restored(const std::vector<NamedTensor>& tensors,
                                                 std::int64_t n, std::int64_t k) {
  Complement u;
  u.n_ = n;
  u.k_ = k;
  const auto expect = [](const NamedTensor& tensor, std::int64_t rows, std::int64_t columns) {
    if (tensor.value.sizes() != at::IntArrayRef({rows, columns})) {
      raise("'{}': expected [{}, {}], got {}", tensor.name, rows, columns,
            shape_text(tensor.value));
    }
    return tensor.value;
  };
  if (tensors.size() == 1) {
    u.basis_ = expect(tensors[0], n, n - k);
  } else if (tensors.size() == 2) {
    u.y_ = expect(tensors[0], n, k);
    u.kernel_ = expect(tensors[1], k, k);
  } else if (k > 0) {
    raise("expected the tensors of a complement, got {}", tensors.size());
  }
  return u;
}

POSTTRAIN_INLINE Tensor Complement::project_rows(const Tensor& x) const {
  if (basis_.defined()) return matmul_nn(x, basis_.to(x.scalar_type()));
  if (!y_.defined()) return x;
  const Tensor y = y_.to(x.scalar_type()), kernel = kernel_.to(x.scalar_type());
  const Tensor along = matmul_nn(matmul_nn(x, y), kernel);
  return x.narrow(1, k_, size()) - matmul_nt(along, y.narrow(0, k_, size()));
}

POSTTRAIN_INLINE Tensor Complement::expand_rows(const Tensor& c) const {
  if (basis_.defined()) return matmul_nt(c, basis_.to(c.scalar_type()));
  if (!y_.defined()) return c;
  const Tensor y = y_.to(c.scalar_type()), kernel = kernel_.to(c.scalar_type());
  const Tensor along = matmul_nt(matmul_nn(c, y.narrow(0, k_, size())), kernel);
  Tensor x = matmul_nt(along, y).neg_();
  x.narrow(1, k_, size()).add_(c);
  return x;
}

POSTTRAIN_INLINE Tensor Complement::project_columns(const Tensor& g) const {
  if (basis_.defined()) return matmul_nn(basis_.t().to(g.scalar_type()), g);
  if (!y_.defined()) return g;
  const Tensor y = y_.to(g.scalar_type()), kernel = kernel_.to(g.scalar_type());
  const Tensor along = matmul_nn(kernel.t(), matmul_nn(y.t(), g));
  return g.narrow(0, k_, size()) - matmul_nn(y.narrow(0, k_, size()), along);
}

POSTTRAIN_INLINE Tensor Complement::expand_columns(const Tensor& c) const {
  if (basis_.defined()) return matmul_nn(basis_.to(c.scalar_type()), c);
  if (!y_.defined()) return c;
  const Tensor y = y_.to(c.scalar_type()), kernel = kernel_.to(c.scalar_type());
  const Tensor along = matmul_nn(kernel, matmul_nn(y.narrow(0, k_, size()).t(), c));
  Tensor x = matmul_nn(y, along).neg_();
  x.narrow(0, k_, size()).add_(c);
  return x;
}

POSTTRAIN_INLINE double Complement::cost() const {
  if (basis_.defined()) return static_cast<double>(n_) * static_cast<double>(size());
  return static_cast<double>(k_) * static_cast<double>(2 * n_);
}

POSTTRAIN_INLINE std::int64_t Complement::bytes() const {
  std::int64_t total = 0;
  for (const NamedTensor& tensor : tensors()) {
    total += static_cast<std::int64_t>(tensor.value.nbytes());
  }
  return total;
}

POSTTRAIN_INLINE std::vector<NamedTensor> Complement::tensors() const {
  if (basis_.defined()) return {{"basis", basis_}};
  if (y_.defined()) return {{"reflections", y_}, {"triangle", kernel_}};
  return {};
}

}  // namespace posttrain
