// SPDX-License-Identifier: Apache-2.0
// Attention over a list of parts in plain ATen operations: any device, any float dtype.
//
// Each part's scores are formed densely; parts of one query row merge by log-sum-exp; the backward
// recomputes the scores and gives every part the merged output and the merged log-sum-exp, which is
// exact. float32 inside for half types, double for double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/nn/attention_types.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

struct PartScores {
  Tensor q, k, v;  // [Hkv, G nq, D], [Hkv, nk, D], in the compute dtype
  Tensor scores;   // [Hq, nq, nk], −inf where not visible
  Tensor tanh;     // tanh(s / c) with a soft cap
};

inline at::ScalarType attention_compute_type(const Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Rows [begin, end) of x [T, H, D] as [groups, H / groups · rows, D].
inline Tensor attention_rows(const Tensor& x, std::int64_t begin, std::int64_t end,
                             std::int64_t groups) {
  return x.slice(0, begin, end)
      .to(attention_compute_type(x))
      .transpose(0, 1)
      .reshape({groups, -1, x.size(2)});
}

inline PartScores attention_part_scores(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const AttentionPart& part,
                                        const AttentionOptions& options) {
  const std::int64_t q_rows = part.q1 - part.q0, k_rows = part.k1 - part.k0;
  const std::int64_t kv_heads = k.size(1);
  PartScores result;
  result.q = attention_rows(q, part.q0, part.q1, kv_heads);
  result.k = attention_rows(k, part.k0, part.k1, kv_heads);
  result.v = attention_rows(v, part.k0, part.k1, kv_heads);
  Tensor s = at::matmul(result.q, result.k.transpose(1, 2)).mul_(options.scale);
  s = s.view({q.size(1), q_rows, k_rows});
  if (options.softcap > 0) {
    result.tanh = (s / options.softcap).tanh_();
    s = result.tanh * options.softcap;
  }
  if (part.causal || options.window > 0) {
    const auto index = q.options().dtype(at::kLong);
    const Tensor q_positions =
        at::arange(part.qpos, part.qpos + q_rows, index).unsqueeze(1);            // [nq, 1]
    const Tensor k_positions = at::arange(part.kpos, part.kpos + k_rows, index);  // [nk]
    const Tensor distance = q_positions - k_positions;                            // [nq, nk]
    Tensor hidden = part.causal ? distance.lt(0) : at::zeros_like(distance, at::kBool);
    if (options.window > 0) hidden = hidden.logical_or(distance.ge(options.window));
    s.masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  }
  result.scores = s;
  return result;
}

// exp(x − lse) with 0 where both are −inf.
inline Tensor attention_probabilities(const Tensor& x, const Tensor& lse) {
  const Tensor safe = lse.masked_fill(lse == -std::numeric_limits<double>::infinity(), 0.0);
  return (x - safe).exp_();
}

/// One result of two over disjoint keys.
inline AttentionResult merge_attention(const AttentionResult& a, const AttentionResult& b) {
  const Tensor lse = at::logaddexp(a.lse, b.lse);
  const auto weighted = [&](const AttentionResult& x) {
    return x.out.to(lse.scalar_type()) *
           attention_probabilities(x.lse, lse).t().unsqueeze(-1);  // [Tq, Hq, 1]
  };
  return {(weighted(a) + weighted(b)).to(a.out.scalar_type()), lse};
}

inline bool attention_part_empty(const AttentionPart& part) {
  return part.q0 >= part.q1 || part.k0 >= part.k1;
}

/// The parts in blocks of queries, so that the scores of one are at most 256 MiB: a document of
/// thousands of tokens would have gigabytes. Keys behind a causal block's last query fall away.
inline std::vector<AttentionPart> attention_blocks(const std::vector<AttentionPart>& parts,
                                                   std::int64_t heads) {
  constexpr std::int64_t kScores = (std::int64_t{256} << 20) / 4;
  std::vector<AttentionPart> blocks;
  for (const AttentionPart& part : parts) {
    if (attention_part_empty(part)) continue;
    const std::int64_t rows = std::max<std::int64_t>(1, kScores / (heads * (part.k1 - part.k0)));
    for (std::int64_t q = part.q0; q < part.q1; q += rows) {
      AttentionPart block = part;
      block.q0 = q;
      block.q1 = std::min(part.q1, q + rows);
      block.qpos = part.qpos + (q - part.q0);
      if (part.causal) {
        const std::int64_t last = block.qpos + (block.q1 - block.q0) - 1;
        block.k1 = std::clamp(part.k0 + last - part.kpos + 1, part.k0, part.k1);
      }
      if (!attention_part_empty(block)) blocks.push_back(block);
    }
  }
  return blocks;
}

}  // namespace detail

/// q [Tq, Hq, D], k and v [Tk, Hkv, D]; no graph.
inline AttentionResult attention_forward_generic(const Tensor& q, const Tensor& k, const Tensor& v,
                                                 const std::vector<AttentionPart>& parts,
                                                 const AttentionOptions& options) {
  at::NoGradGuard no_grad;
  const auto compute = q.options().dtype(detail::attention_compute_type(q));
  const std::int64_t heads = q.size(1), kv_heads = k.size(1), dim = q.size(2);
  Tensor out = at::zeros({heads, q.size(0), dim}, compute);
  Tensor lse = at::full({heads, q.size(0)}, -std::numeric_limits<double>::infinity(), compute);
  for (const AttentionPart& part : detail::attention_blocks(parts, heads)) {
    const auto scored = detail::attention_part_scores(q, k, v, part, options);
    const Tensor old_lse = lse.slice(1, part.q0, part.q1);                       // [Hq, nq]
    const Tensor new_lse = at::logaddexp(old_lse, scored.scores.logsumexp(-1));  // [Hq, nq]
    const Tensor p = detail::attention_probabilities(scored.scores, new_lse.unsqueeze(-1));
    const Tensor added =
        at::matmul(p.view({kv_heads, -1, p.size(2)}), scored.v).view({heads, -1, dim});
    out.slice(1, part.q0, part.q1)
        .mul_(detail::attention_probabilities(old_lse, new_lse).unsqueeze(-1))
        .add_(added);
    old_lse.copy_(new_lse);
  }
  return {out.transpose(0, 1).to(q.scalar_type()).contiguous(), lse};
}

/// The gradients of q, k and v from the merged result of the forward pass.
inline AttentionGradients attention_backward_generic(const Tensor& grad_out, const Tensor& q,
                                                     const Tensor& k, const Tensor& v,
                                                     const AttentionResult& result,
                                                     const std::vector<AttentionPart>& parts,
                                                     const AttentionOptions& options) {
  at::NoGradGuard no_grad;
  const auto type = detail::attention_compute_type(q);
  const std::int64_t heads = q.size(1), kv_heads = k.size(1), dim = q.size(2);
  const auto zeros = [&](const Tensor& like) {
    return at::zeros({like.size(1), like.size(0), like.size(2)}, like.options().dtype(type));
  };
  Tensor dq = zeros(q), dk = zeros(k), dv = zeros(v);                         // [H, T, D]
  const Tensor delta = (grad_out.to(type) * result.out.to(type)).sum(2).t();  // [Hq, Tq]
  for (const AttentionPart& part : detail::attention_blocks(parts, heads)) {
    const auto scored = detail::attention_part_scores(q, k, v, part, options);
    const Tensor p = detail::attention_probabilities(
        scored.scores, result.lse.slice(1, part.q0, part.q1).unsqueeze(-1));  // [Hq, nq, nk]
    const Tensor grouped = p.view({kv_heads, -1, p.size(2)});
    const Tensor grad = detail::attention_rows(grad_out, part.q0, part.q1, kv_heads);
    dv.slice(1, part.k0, part.k1).add_(at::matmul(grouped.transpose(1, 2), grad));
    Tensor ds = at::matmul(grad, scored.v.transpose(1, 2)).view(p.sizes());
    ds = (ds - delta.slice(1, part.q0, part.q1).unsqueeze(-1)) * p;
    if (scored.tanh.defined()) ds = ds * (1 - scored.tanh.pow(2));
    ds = ds.view(grouped.sizes()).mul_(options.scale);
    dq.slice(1, part.q0, part.q1).add_(at::matmul(ds, scored.k).view({heads, -1, dim}));
    dk.slice(1, part.k0, part.k1).add_(at::matmul(ds.transpose(1, 2), scored.q));
  }
  const auto finish = [](const Tensor& grad, const Tensor& like) {
    return grad.transpose(0, 1).to(like.scalar_type()).contiguous();
  };
  return {finish(dq, q), finish(dk, k), finish(dv, v)};
}

}  // namespace posttrain
