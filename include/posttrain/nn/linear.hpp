// SPDX-License-Identifier: Apache-2.0
// y = x Wᵀ + b with a backward that adds the weight's gradient straight into its flat buffer.
//
// Weights are no autograd leaves: a frozen matrix has no gradient buffer, a trained one carries an
// `anchor` (a scalar leaf) that makes the graph reach it. So bf16 weights can have fp32 gradients,
// and no temporary of the size of W is added to a second one.
#pragma once

#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// A matrix as the graph sees it.
struct Weight {
  Tensor value;      // [out, in], compute dtype
  Tensor bias;       // [out] or undefined
  Tensor grad;       // [out, in] accumulator (fp32, or fp64 for fp64 weights); undefined: frozen
  Tensor bias_grad;  // [out] accumulator; undefined: frozen or no bias
  Tensor anchor;     // scalar that requires a gradient iff something here is trained
  bool kept =
      false;  // memory of its own: may be packed while a model decodes (packed_matrices.hpp)
};

/// x: [n, in] → [n, out].
Tensor linear(const Tensor& x, const Weight& weight);

/// A vector or table as the graph sees it, for kernels that return its gradient: what comes back is
/// added to `grad`.
Tensor tracked(const Tensor& value, const Tensor& grad, const Tensor& anchor);

/// Rows of a table: ids [n] → [n, d]; the gradient is added row by row into `grad`. `padding_row`
/// (−1: none) gets none, as with torch's padding_idx.
Tensor embed_rows(const Tensor& table, const Tensor& ids, const Tensor& grad,
                  std::int64_t padding_row, const Tensor& anchor);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/linear.ipp"
#endif
