// SPDX-License-Identifier: Apache-2.0
// y = x Wᵀ + b with a backward that adds the weight's gradient straight into its flat buffer.
//
// Weights are no autograd leaves: a frozen matrix has no gradient buffer, a trained one carries an
// `anchor` (a scalar leaf) that makes the graph reach it. So bf16 weights can have fp32 gradients,
// and no temporary of the size of W is added to a second one.
#pragma once

#include <cstdint>

#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/gemm.hpp"

namespace posttrain {

/// A matrix as the graph sees it.
struct Weight {
  Tensor value;      // [out, in], compute dtype
  Tensor bias;       // [out] or undefined
  Tensor grad;       // [out, in] accumulator (fp32, or fp64 for fp64 weights); undefined: frozen
  Tensor bias_grad;  // [out] accumulator; undefined: frozen or no bias
  Tensor anchor;     // scalar that requires a gradient iff something here is trained
};

/// x: [n, in] → [n, out].
inline Tensor linear(const Tensor& x, const Weight& weight) {
  Tensor y;
  {
    at::NoGradGuard no_grad;
    y = matmul_nt(x, weight.value);
    if (weight.bias.defined()) y.add_(weight.bias);
  }
  const bool needs_input_gradient = x.requires_grad();
  return differentiable(
      y, {x, weight.anchor},
      [x = x.detach(), weight, needs_input_gradient](const Tensor& dy) -> Tensors {
        if (weight.grad.defined()) {
          Tensor grad = weight.grad;
          accumulate_tn(grad, dy, x);
        }
        if (weight.bias_grad.defined()) {
          Tensor grad = weight.bias_grad;
          grad.add_(at::sum(dy, {0}, false, grad.scalar_type()));
        }
        return {needs_input_gradient ? matmul_nn(dy, weight.value) : Tensor(), Tensor()};
      });
}

/// A vector or table as the graph sees it, for kernels that return its gradient: what comes back is
/// added to `grad`.
inline Tensor tracked(const Tensor& value, const Tensor& grad, const Tensor& anchor) {
  if (!grad.defined()) return value;
  return differentiable(value.detach(), {anchor}, [grad](const Tensor& d) -> Tensors {
    Tensor accumulator = grad;
    accumulator.add_(d);
    return {Tensor()};
  });
}

/// Rows of a table: ids [n] → [n, d]; the gradient is added row by row into `grad`. `padding_row`
/// (−1: none) gets none, as with torch's padding_idx.
inline Tensor embed_rows(const Tensor& table, const Tensor& ids, const Tensor& grad,
                         std::int64_t padding_row, const Tensor& anchor) {
  Tensor rows;
  {
    at::NoGradGuard no_grad;
    rows = at::index_select(table, 0, ids);
  }
  return differentiable(rows, {anchor}, [grad, ids, padding_row](const Tensor& d) -> Tensors {
    if (!grad.defined()) return {Tensor()};
    Tensor added = d.to(grad.scalar_type());
    if (padding_row >= 0) added = added.masked_fill((ids == padding_row).unsqueeze(1), 0);
    Tensor accumulator = grad;
    accumulator.index_add_(0, ids, added);
    return {Tensor()};
  });
}

}  // namespace posttrain
