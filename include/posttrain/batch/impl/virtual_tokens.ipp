// SPDX-License-Identifier: Apache-2.0
// Definitions of virtual_tokens.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

inline void claim_virtual_tokens(TokenBatch& batch, std::int64_t count) {
  if (batch.virtual_tokens != 0) {
    raise("expected a batch without virtual tokens, got one that was prepared with {}",
          batch.virtual_tokens);
  }
  batch.virtual_tokens = count;
  batch.position = batch.row_sample = batch.row_length = Tensor();  // of the rows as they were
}

/// Without asking the device how many ids are the prompt's: all rows are chosen one way or the
/// other, and the gradient is a product with a matrix of ones and zeros, which adds in a fixed
/// order.
inline Tensor with_prompt_rows_of_device(const Tensor& rows, const Tensor& ids, std::int64_t vocab,
                                         const ParameterView& prompt, const Tensor& anchor) {
  Tensor all, virtual_id;
  {
    at::NoGradGuard no_grad;
    virtual_id = ids - vocab;
    const std::int64_t count = prompt.value.size(0);
    const Tensor of_prompt = prompt.value.index_select(0, virtual_id.clamp(0, count - 1));
    all = of_prompt.where((virtual_id >= 0).unsqueeze(1), rows);
  }
  return differentiable(all, {anchor}, [grad = prompt.grad, virtual_id](const Tensor& d) {
    const Tensor each = at::arange(grad.size(0), virtual_id.options());
    const Tensor which = (each.unsqueeze(1) == virtual_id.unsqueeze(0)).to(grad.scalar_type());
    Tensor accumulator = grad;
    accumulator.addmm_(which, d.to(grad.scalar_type()));
    return Tensors{Tensor()};
  });
}

}  // namespace detail

POSTTRAIN_INLINE void add_prompt_segments(TokenBatch& batch, std::int64_t count,
                                          std::int64_t first_id, bool shared) {
  detail::claim_virtual_tokens(batch, count);
  const Tensor prompt = at::arange(first_id, first_id + count, batch.ids.options());
  std::vector<Segment> nodes;
  std::vector<std::int64_t> node_sample;
  Tensors ids;
  std::vector<std::int64_t> moved_by;  // of each row
  std::int64_t shift = 0, tree_end = 0;
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    const Segment& node = batch.nodes[n];
    if (n == 0 || (!shared && node.begin >= tree_end)) {
      const std::int64_t begin = node.begin + shift,
                         below = shared ? batch.tokens() : node.subtree_end;
      shift += count;
      nodes.push_back({begin, begin + count, below + shift, 0});
      node_sample.push_back(-1);
      ids.push_back(prompt);
      tree_end = node.subtree_end;
    }
    nodes.push_back(
        {node.begin + shift, node.end + shift, node.subtree_end + shift, node.position + count});
    node_sample.push_back(batch.node_sample[n]);
    ids.push_back(batch.ids.narrow(0, node.begin, node.end - node.begin));
    moved_by.insert(moved_by.end(), static_cast<std::size_t>(node.end - node.begin), shift);
  }
  if (nodes.empty()) return;
  batch.ids = at::cat(ids);
  batch.row =
      batch.row +
      uploaded(at::tensor(moved_by, at::kLong), batch.row.device()).index_select(0, batch.row);
  batch.nodes = std::move(nodes);
  batch.node_sample = std::move(node_sample);
}

POSTTRAIN_INLINE void add_prefix_positions(TokenBatch& batch, std::int64_t count) {
  detail::claim_virtual_tokens(batch, count);
  for (Segment& node : batch.nodes) node.position += count;
}

POSTTRAIN_INLINE Tensor with_prompt_rows(const Tensor& rows, const Tensor& ids, std::int64_t vocab,
                                         const ParameterView& prompt, const Tensor& anchor) {
  if (!ids.is_cpu()) return detail::with_prompt_rows_of_device(rows, ids, vocab, prompt, anchor);
  Tensor all = rows, where, index;
  {
    at::NoGradGuard no_grad;
    where = (ids >= vocab).nonzero().squeeze(1);
    if (where.size(0) == 0) return rows;
    index = ids.index_select(0, where) - vocab;
    all = rows.index_copy(0, where, prompt.value.index_select(0, index));
  }
  return differentiable(all, {anchor}, [grad = prompt.grad, where, index](const Tensor& d) {
    Tensor accumulator = grad;
    accumulator.index_add_(0, index, d.index_select(0, where).to(grad.scalar_type()));
    return Tensors{Tensor()};
  });
}

}  // namespace posttrain
