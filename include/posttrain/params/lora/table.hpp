// SPDX-License-Identifier: Apache-2.0
// The adapter of a lookup table: y = W[ids] + s · (B A)[:, ids]ᵀ (PEFT's lora.Embedding).
//
// A is [r, rows of the table] and B [columns, r], so W + s (B A)ᵀ is the adapted table. A lies
// transposed in memory: a token's factor is one row, and its gradient is added to that row alone.
// DoRA's lengths are those of the columns, over all tokens. What is read through the table's tied
// LM head stays the base's, as in PEFT.
#pragma once

#include <algorithm>
#include <cstdint>

#include "posttrain/nn/gemm.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

struct TableAdapter {
  int table = 0;
  std::int64_t rank = 0;
  double scale = 1.0;             // s
  std::int64_t padding_row = -1;  // A gets no gradient from it
  ParameterView a{};              // Aᵀ [rows, rank]
  ParameterView b{};              // [columns, rank]
  ParameterView magnitude{};      // [columns]; undefined: no DoRA
  Tensor norm{};                  // DoRA: of the columns of W + s (B A)ᵀ; no gradient

  /// `base`: W[ids] [n, columns], of the graph if the table itself trains.
  Tensor embed(const Tensor& base, const Tensor& ids, const Tensor& anchor) const {
    Tensor h, y, z;
    {
      at::NoGradGuard no_grad;
      h = at::index_select(a.value, 0, ids);
      y = at::addmm(base.detach(), h, b.value.t(), 1, scale);
      if (magnitude.value.defined()) {
        z = y;
        y = z * rescaling();
      }
    }
    return differentiable(y, {base, anchor},
                          [adapter = *this, h, z, ids,
                           base_trains = base.requires_grad()](const Tensor& dy) -> Tensors {
                            const Tensor d = adapter.backward(dy, h, z, ids);
                            return {base_trains ? d : Tensor(), Tensor()};
                          });
  }

  /// The adapted table in the dtype of the masters; `w` [rows, columns] any dtype.
  Tensor merged(const Tensor& w) const {
    Tensor whole = sum(w, 0, w.size(0));
    if (!magnitude.master.defined()) return whole;
    return whole.mul_(magnitude.master / at::linalg_vector_norm(whole, 2, {0}));
  }

  /// Lengths of the columns of W + s (B A)ᵀ.
  Tensor column_norms(const Tensor& w) const {
    constexpr std::int64_t kRows = 4096;
    Tensor squares = at::zeros({w.size(1)}, b.master.options());
    for (std::int64_t row = 0; row < w.size(0); row += kRows) {
      squares.add_(sum(w, row, std::min(kRows, w.size(0) - row)).square_().sum(0));
    }
    return squares.sqrt_();
  }

 private:
  /// Rows of W + s (B A)ᵀ, fresh memory.
  Tensor sum(const Tensor& w, std::int64_t row, std::int64_t rows) const {
    const Tensor part = w.narrow(0, row, rows).to(a.master.scalar_type());
    return at::addmm(part, a.master.narrow(0, row, rows), b.master.t(), 1, scale);
  }

  /// Adds the gradients; returns that of W[ids].
  Tensor backward(const Tensor& dy, const Tensor& h, const Tensor& z, const Tensor& ids) const {
    at::NoGradGuard no_grad;
    Tensor d = dy;
    if (z.defined()) {
      Tensor grad = magnitude.grad;
      grad.add_(at::sum(dy * z, {0}, false, grad.scalar_type()) / norm);
      d = dy * rescaling();
    }
    accumulate_tn(b.grad, d, h * scale);
    Tensor dh = matmul_nn(d, b.value).mul_(scale).to(a.grad.scalar_type());
    if (padding_row >= 0) dh.masked_fill_((ids == padding_row).unsqueeze(1), 0);
    Tensor grad = a.grad;
    grad.index_add_(0, ids, dh);
    return d;
  }

  Tensor rescaling() const { return (magnitude.exact() / norm).to(b.value.scalar_type()); }
};

}  // namespace posttrain
