// SPDX-License-Identifier: Apache-2.0
// Definitions of linear.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/cuda/embedding_gradient.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/nn/packed_matrices.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor linear(const Tensor& x, const Weight& weight) {
  const bool recorded = at::GradMode::is_enabled();
  Tensor y;
  {
    at::NoGradGuard no_grad;
    y = weight.kept && !recorded ? matmul_kept(x, weight.value) : matmul_nt(x, weight.value);
    if (weight.bias.defined()) y.add_(weight.bias);
  }
  const bool needs_input_gradient = x.requires_grad();
  return differentiable(
      y, {x, weight.anchor},
      // A frozen matrix needs no x.
      [x = weight.grad.defined() ? x.detach() : Tensor(), weight,
       needs_input_gradient](const Tensor& dy) -> Tensors {
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

POSTTRAIN_INLINE Tensor tracked(const Tensor& value, const Tensor& grad, const Tensor& anchor) {
  if (!grad.defined()) return value;
  return differentiable(value.detach(), {anchor}, [grad](const Tensor& d) -> Tensors {
    Tensor accumulator = grad;
    accumulator.add_(d);
    return {Tensor()};
  });
}

namespace detail {

/// Adds the rows of d to those of `grad` that `ids` name.
inline void add_rows(const Tensor& d, const Tensor& ids, const Tensor& grad,
                     std::int64_t padding_row) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(d) && grad.scalar_type() == at::kFloat,
                           cuda::add_embedding_gradient(d, ids, grad, padding_row));
  Tensor added = d.to(grad.scalar_type());
  if (padding_row >= 0) added = added.masked_fill((ids == padding_row).unsqueeze(1), 0);
  Tensor accumulator = grad;
  accumulator.index_add_(0, ids, added);
}

}  // namespace detail

POSTTRAIN_INLINE Tensor embed_rows(const Tensor& table, const Tensor& ids, const Tensor& grad,
                                   std::int64_t padding_row, const Tensor& anchor) {
  Tensor rows;
  {
    at::NoGradGuard no_grad;
    rows = at::index_select(table, 0, ids);
  }
  return differentiable(rows, {anchor}, [grad, ids, padding_row](const Tensor& d) -> Tensors {
    if (grad.defined()) detail::add_rows(d, ids, grad, padding_row);
    return {Tensor()};
  });
}

}  // namespace posttrain
