// SPDX-License-Identifier: Apache-2.0
// The orthogonal complement of k directions in n dimensions: an orthonormal basis U [n, n − k] and
// its products.
//
// Two forms, chosen by size, so that time and memory go with min(k, n − k):
//   explicit   U itself
//   implicit   the last n − k columns of a product of k Householder reflections, I − Y T Yᵀ with
//              Y [n, k] and T [k, k] triangular (the compact WY form)
// Nothing of size n × n exists in either.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class Complement {
 public:
  /// Complement of the span of the columns of `directions` [n, k], which need not be orthogonal.
  /// Computed in their dtype, kept in `type`.
  static Complement of(const Tensor& directions, at::ScalarType type);
  /// With an orthonormal basis [n, n − k] of its own, kept in `type`.
  static Complement spanned_by(const Tensor& basis, at::ScalarType type);
  /// From `tensors()`; raises where their shapes do not fit.
  static Complement restored(const std::vector<NamedTensor>& tensors, std::int64_t n,
                             std::int64_t k);
  /// Complement of nothing: all n dimensions, in their own coordinates.
  static Complement whole(std::int64_t n) {
    Complement u;
    u.n_ = n;
    return u;
  }
  /// Whether the explicit form is the cheaper one.
  static bool is_explicit(std::int64_t n, std::int64_t k) { return n - k <= 2 * k; }

  std::int64_t n() const { return n_; }
  std::int64_t k() const { return k_; }
  std::int64_t size() const { return n_ - k_; }

  // Computed in the argument's dtype.
  /// x U: [m, n] → [m, n − k].
  Tensor project_rows(const Tensor& x) const;
  /// c Uᵀ: [m, n − k] → [m, n].
  Tensor expand_rows(const Tensor& c) const;
  /// Uᵀ g: [n, m] → [n − k, m].
  Tensor project_columns(const Tensor& g) const;
  /// U c: [n − k, m] → [n, m].
  Tensor expand_columns(const Tensor& c) const;

  /// Multiplications per row or column of any of these.
  double cost() const;
  std::int64_t bytes() const;
  /// Tensors that a file must hold for `restored`.
  std::vector<NamedTensor> tensors() const;

 private:
  std::int64_t n_ = 0, k_ = 0;
  Tensor basis_;       // explicit: [n, n − k]
  Tensor y_, kernel_;  // implicit and k > 0: Y [n, k], T [k, k]
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/osft/impl/complement.ipp"
#endif
