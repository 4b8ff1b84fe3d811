// SPDX-License-Identifier: Apache-2.0
// The three matrix products of training: y = x wᵀ, dx = dy w, dw += dyᵀ x.
#pragma once

#include "posttrain/core/error.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// x wᵀ: [m, k] times [n, k] gives [m, n]. Strided views are fine. Computed without a graph.
inline Tensor matmul_nt(const Tensor& x, const Tensor& w) {
  at::NoGradGuard no_grad;
  return at::mm(x, w.t());
}

/// a b: [m, k] times [k, n] gives [m, n]. Strided views are fine. Computed without a graph.
inline Tensor matmul_nn(const Tensor& a, const Tensor& b) {
  at::NoGradGuard no_grad;
  return at::mm(a, b);
}

/// acc += dyᵀ x: dy [m, n], x [m, k], acc [n, k] in the inputs' dtype or float32.
inline void accumulate_tn(const Tensor& acc, const Tensor& dy, const Tensor& x) {
  at::NoGradGuard no_grad;
  if (acc.scalar_type() == dy.scalar_type()) {
    acc.addmm_(dy.t(), x);
  } else {
    acc.add_(at::mm(dy.t(), x));
  }
}

}  // namespace posttrain
