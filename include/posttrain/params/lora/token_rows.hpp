// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding or an LM head that train while the rest of the matrix stays frozen: new
// tokens beside an adapter (PEFT's trainable_token_indices).
//
// The rows R replace those of W: a lookup of token id k gives R[k], and the head's logit of k is
// x · R[k]. A head that is tied to its embedding takes part, as in PEFT. Only R has gradients,
// masters and moments, however large the vocabulary is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/nn/gemm.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameter_buffer.hpp"

namespace posttrain {

namespace detail {

/// What PEFT's files call R, behind the module's name.
inline constexpr std::string_view kTokenRows = ".token_adapter.trainable_tokens_delta";

}  // namespace detail

struct TokenRows {
  std::string module;               // "model.embed_tokens": what files call the matrix
  int table = -1;                   // of the layout, whose lookups read R; -1: none
  int site = -1;                    // of the layout, the head whose logits read R; -1: none
  std::int64_t padding_row = -1;    // R gets no gradient from lookups of it
  std::vector<std::int64_t> ids{};  // in the order of R
  Tensor index{};                   // the same, int64 [k]
  Tensor slot{};                    // by row of W: its place in R, or -1; int64
  Tensor base{};                    // W[ids] as it was, in the masters' dtype
  ParameterView rows{};             // R [k, columns]

  /// Makes R begin as the rows of `w` [rows, columns].
  void initialise(const Tensor& w) {
    index = at::tensor(ids, at::kLong).to(w.device());
    slot = at::full({w.size(0)}, -1, index.options());
    slot.index_copy_(0, index, at::arange(index.size(0), index.options()));
    Tensor first = rows.master;
    base = w.index_select(0, index).to(first.scalar_type());
    first.copy_(base);
  }

  /// The whole matrix in the dtype of the masters.
  Tensor merged(const Tensor& w) const {
    return w.to(rows.master.scalar_type()).index_copy(0, index, rows.master);
  }

  /// `found`: W[ids] [n, columns], of no graph.
  Tensor embed(const Tensor& found, const Tensor& token_ids, const Tensor& anchor) const {
    at::Tensor y, hit, place;
    {
      at::NoGradGuard no_grad;
      place = slot.index_select(0, token_ids);
      hit = place.ge(0).unsqueeze(1);
      place.clamp_min_(0);
      y = at::where(hit, rows.value.index_select(0, place), found);
      if (padding_row >= 0) hit = hit.logical_and(token_ids.ne(padding_row).unsqueeze(1));
    }
    return differentiable(y, {anchor}, [grad = rows.grad, hit, place](const Tensor& dy) -> Tensors {
      Tensor sum = grad;
      sum.index_add_(0, place, dy.masked_fill(hit.logical_not(), 0).to(sum.scalar_type()));
      return {Tensor()};
    });
  }

  /// `logits`: x Wᵀ [n, rows of W], fresh memory that is written to.
  Tensor linear(const Tensor& logits, const Tensor& x, const Tensor& anchor) const {
    Tensor y = logits.detach(), change;
    {
      at::NoGradGuard no_grad;
      change = (rows.master - base).to(rows.value.scalar_type());
      y.index_add_(1, index, matmul_nt(x.detach(), change));
    }
    return differentiable(y, {logits, x, anchor},
                          [own = *this, change, x = x.detach(),
                           wants_dx = x.requires_grad()](const Tensor& dy) -> Tensors {
                            const Tensor d = dy.index_select(1, own.index);
                            accumulate_tn(own.rows.grad, d, x);
                            return {dy, wants_dx ? matmul_nn(d, change) : Tensor(), Tensor()};
                          });
  }
};

}  // namespace posttrain
