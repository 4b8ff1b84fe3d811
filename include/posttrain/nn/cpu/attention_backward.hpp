// SPDX-License-Identifier: Apache-2.0
// The backward pass of blocked attention on the CPU; see nn/cpu/attention.hpp.
#pragma once

#include "posttrain/nn/cpu/attention.hpp"

#ifdef POSTTRAIN_HAS_BRGEMM

namespace posttrain::detail {

/// The share of a block of queries of one head in every tile's gradients.
template <class Element>
struct BackwardQueries {
  Element *q_transposed, *grad_transposed;  // B operands [width][64]
  Element *q_copy, *grad_copy;              // memory for the B operands [64][width]
  const Element *q, *grad;                  // the latter, or the tensors themselves
  std::int64_t q_stride, grad_stride;
  float* dq_transposed;  // [width][64]
  float *lse, *delta;    // [64]; lse is huge for padding and rows that see nothing
};

/// The memory of one thread of the backward pass.
template <class Element>
struct BackwardWorkspace {
  static constexpr std::int64_t kTile = kAttentionBlock * kAttentionBlock;
  BackwardWorkspace(std::int64_t width, std::int64_t q_blocks)
      : scratch(size(kAttentionBlock * width, q_blocks)) {
    const std::int64_t panel = kAttentionBlock * width;
    k_copy = scratch.take<Element>(panel);
    v_copy = scratch.take<Element>(panel);
    k_transposed = scratch.take<Element>(panel);
    dk = scratch.take<float>(panel);
    dv = scratch.take<float>(panel);
    transposed = scratch.take<float>(panel);
    scores = scratch.take<float>(kTile);
    dp = scratch.take<float>(kTile);
    if constexpr (std::is_same_v<Element, float>) {
      p = scores;
      ds = ds_packed = dp;
    } else {
      p = scratch.take<Element>(kTile);
      ds = scratch.take<Element>(kTile);
      ds_packed = scratch.take<Element>(kTile);
    }
    first = scratch.take<std::int32_t>(kAttentionBlock);
    past = scratch.take<std::int32_t>(kAttentionBlock);
    for (std::int64_t i = 0; i < q_blocks; ++i) {
      BackwardQueries<Element> slot{};
      slot.q_transposed = scratch.take<Element>(panel);
      slot.grad_transposed = scratch.take<Element>(panel);
      slot.q_copy = scratch.take<Element>(panel);
      slot.grad_copy = scratch.take<Element>(panel);
      slot.dq_transposed = scratch.take<float>(panel);
      slot.lse = scratch.take<float>(kAttentionBlock);
      slot.delta = scratch.take<float>(kAttentionBlock);
      queries.push_back(slot);
    }
  }
  static std::size_t size(std::int64_t panel, std::int64_t q_blocks) {
    const std::size_t fixed = 3 * Scratch::size<Element>(panel) + 3 * Scratch::size<float>(panel) +
                              2 * Scratch::size<float>(kTile) + 3 * Scratch::size<Element>(kTile) +
                              2 * Scratch::size<std::int32_t>(kAttentionBlock);
    const std::size_t slot = 4 * Scratch::size<Element>(panel) + Scratch::size<float>(panel) +
                             2 * Scratch::size<float>(kAttentionBlock);
    return fixed + static_cast<std::size_t>(q_blocks) * slot;
  }

  Scratch scratch;
  Element *k_copy, *v_copy, *k_transposed;
  float *dk, *dv, *transposed, *scores, *dp;
  Element *p, *ds, *ds_packed;
  std::int32_t *first, *past;
  std::vector<BackwardQueries<Element>> queries;
};

/// Where a gradient goes: [T, H, D] with strides.
template <class Element>
struct GradientHeads {
  Element* data;
  std::int64_t row, head;
  explicit GradientHeads(const Tensor& x)
      : data(x.mutable_data_ptr<Element>()), row(x.stride(0)), head(x.stride(1)) {}
  Element* at(std::int64_t h, std::int64_t r) const { return data + h * head + r * row; }
};

template <class Element>
struct BackwardCall {
  HeadTensor<Element> q, k, v, out, grad;
  GradientHeads<Element> dq, dk, dv;
  std::int64_t heads, kv_heads, dim, width, query_count;
  const float* lse;  // [Hq, Tq]
  const std::vector<AttentionPart>& parts;
  const AttentionOptions& options;
  AttentionPlan plan;
  std::vector<std::int64_t> slot;  // index of each block of queries in its component
  float* partial = nullptr;        // several query heads per kv head: [2, Hq, k_blocks, 64 width]

  float* partial_panel(std::int64_t which, std::int64_t head, std::int64_t block) const {
    const auto k_blocks = static_cast<std::int64_t>(plan.k_blocks.size());
    return partial + ((which * heads + head) * k_blocks + block) * kAttentionBlock * width;
  }
};

template <class Element>
void prepare_queries(const BackwardCall<Element>& call, std::int64_t head, const BlockRange& rows,
                     BackwardQueries<Element>& slot) {
  constexpr float kHuge = 1e30F;
  const std::int64_t count = rows.size(), padded = padded_rows(count), width = call.width;
  const HeadRows<Element> q = call.q.rows(head, rows.begin);
  const HeadRows<Element> grad = call.grad.rows(head, rows.begin);
  pack_transposed(q, count, call.dim, slot.q_transposed, width);
  pack_transposed(grad, count, call.dim, slot.grad_transposed, width);
  const bool direct = std::is_same_v<Element, float> && count == padded && call.dim == width;
  if (direct) {
    slot.q = q.data;
    slot.q_stride = q.stride;
    slot.grad = grad.data;
    slot.grad_stride = grad.stride;
  } else {
    pack_rows(q, count, call.dim, slot.q_copy, padded, width);
    pack_rows(grad, count, call.dim, slot.grad_copy, padded, width);
    slot.q = slot.q_copy;
    slot.grad = slot.grad_copy;
    slot.q_stride = slot.grad_stride = width;
  }
  std::fill_n(slot.dq_transposed, width * kAttentionBlock, 0.0F);
  std::fill_n(slot.lse, kAttentionBlock, kHuge);
  std::fill_n(slot.delta, kAttentionBlock, 0.0F);
  const HeadRows<Element> out = call.out.rows(head, rows.begin);
  for (std::int64_t r = 0; r < count; ++r) {
    slot.delta[r] = dot(out.row(r), grad.row(r), call.dim);
    const float lse = call.lse[head * call.query_count + rows.begin + r];
    if (lse > -kHuge) slot.lse[r] = lse;
  }
}

template <class Element>
void backward_tile(const BackwardCall<Element>& call, const AttentionTile& tile,
                   const BlockRange& keys, const HeadRows<Element>& k, const HeadRows<Element>& v,
                   const BackwardQueries<Element>& slot, BackwardWorkspace<Element>& work) {
  const BlockRange& rows = call.plan.q_blocks[tile.block];
  const std::int64_t q_count = padded_rows(rows.size()), k_count = padded_rows(keys.size());
  const std::int64_t width = call.width;
  tile_product(k_count, q_count, width, k.data, k.stride, slot.q_transposed, kAttentionBlock,
               work.scores, kAttentionBlock, false);
  tile_product(k_count, q_count, width, v.data, v.stride, slot.grad_transposed, kAttentionBlock,
               work.dp, kAttentionBlock, false);
  for (std::int64_t c = 0; c < k_count; ++c) {
    BlockRange seen{rows.begin, rows.end};
    if (c >= keys.size()) {
      seen = {rows.begin, rows.begin};
    } else if (!tile.full) {
      seen = visible_queries(call.parts[tile.part], call.options.window, keys.begin + c);
    }
    work.first[c] = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(seen.begin - rows.begin, 0, kAttentionBlock));
    work.past[c] = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(seen.end - rows.begin, 0, kAttentionBlock));
  }
  gradient_tile(GradientTile<Element>{work.scores, work.dp, work.p, work.ds, k_count, q_count,
                                      static_cast<float>(call.options.scale),
                                      static_cast<float>(call.options.softcap), slot.lse,
                                      slot.delta, work.first, work.past});
  if constexpr (!std::is_same_v<Element, float>) {
    for (std::int64_t c = 0; c < k_count; c += 2) {
      const auto* low = reinterpret_cast<const std::uint16_t*>(work.ds + c * kAttentionBlock);
      interleave(low, low + kAttentionBlock, q_count,
                 reinterpret_cast<std::uint32_t*>(work.ds_packed + c * kAttentionBlock));
    }
  }
  tile_product(k_count, width, q_count, work.p, kAttentionBlock, slot.grad, slot.grad_stride,
               work.dv, width, true);
  tile_product(k_count, width, q_count, work.ds, kAttentionBlock, slot.q, slot.q_stride, work.dk,
               width, true);
  tile_product(width, q_count, k_count, work.k_transposed, kAttentionBlock, work.ds_packed,
               kAttentionBlock, slot.dq_transposed, kAttentionBlock, true);
}

template <class Element>
void attention_backward_unit(const BackwardCall<Element>& call, std::int64_t head,
                             const AttentionComponent& component,
                             BackwardWorkspace<Element>& work) {
  const std::int64_t width = call.width, dim = call.dim;
  const std::int64_t kv_head = head / (call.heads / call.kv_heads);
  for (const std::int64_t block : component.q_blocks) {
    prepare_queries(call, head, call.plan.q_blocks[block], work.queries[call.slot[block]]);
  }
  for (const std::int64_t block : component.k_blocks) {
    const BlockRange& keys = call.plan.k_blocks[block];
    const std::int64_t count = keys.size(), padded = padded_rows(count);
    HeadRows<Element> k = call.k.rows(kv_head, keys.begin);
    HeadRows<Element> v = call.v.rows(kv_head, keys.begin);
    transpose_rows(k, count, dim, work.k_transposed, width);
    if (count < padded || dim < width) {
      copy_padded(k, count, dim, work.k_copy, padded, width);
      copy_padded(v, count, dim, work.v_copy, padded, width);
      k = {work.k_copy, width};
      v = {work.v_copy, width};
    }
    std::fill_n(work.dk, padded * width, 0.0F);
    std::fill_n(work.dv, padded * width, 0.0F);
    for (const AttentionTile& tile : call.plan.by_key[block]) {
      backward_tile(call, tile, keys, k, v, work.queries[call.slot[tile.block]], work);
    }
    if (call.partial != nullptr) {
      std::copy_n(work.dk, count * width, call.partial_panel(0, head, block));
      std::copy_n(work.dv, count * width, call.partial_panel(1, head, block));
    } else {
      for (std::int64_t r = 0; r < count; ++r) {
        scale_row(work.dk + r * width, 1.0F, dim, call.dk.at(kv_head, keys.begin + r));
        scale_row(work.dv + r * width, 1.0F, dim, call.dv.at(kv_head, keys.begin + r));
      }
    }
  }
  for (const std::int64_t block : component.q_blocks) {
    const BlockRange& rows = call.plan.q_blocks[block];
    transpose_units(
        reinterpret_cast<const std::uint32_t*>(work.queries[call.slot[block]].dq_transposed),
        kAttentionBlock, width, rows.size(), reinterpret_cast<std::uint32_t*>(work.transposed),
        width);
    for (std::int64_t r = 0; r < rows.size(); ++r) {
      scale_row(work.transposed + r * width, 1.0F, dim, call.dq.at(head, rows.begin + r));
    }
  }
}

// Sums dk and dv of the query heads of each kv head, in their order.
template <class Element>
void sum_query_heads(const BackwardCall<Element>& call) {
  const auto k_blocks = static_cast<std::int64_t>(call.plan.k_blocks.size());
  const std::int64_t group = call.heads / call.kv_heads;
  at::parallel_for(0, k_blocks * call.kv_heads, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t block = i % k_blocks, kv_head = i / k_blocks;
      const BlockRange& keys = call.plan.k_blocks[block];
      for (const std::int64_t which : {0, 1}) {
        float* sum = call.partial_panel(which, kv_head * group, block);
        for (std::int64_t g = 1; g < group; ++g) {
          add_row(call.partial_panel(which, kv_head * group + g, block), keys.size() * call.width,
                  sum);
        }
        const GradientHeads<Element>& target = which == 0 ? call.dk : call.dv;
        for (std::int64_t r = 0; r < keys.size(); ++r) {
          scale_row(sum + r * call.width, 1.0F, call.dim, target.at(kv_head, keys.begin + r));
        }
      }
    }
  });
}

template <class Element>
AttentionGradients attention_backward_blocked(const Tensor& grad_out, const Tensor& q,
                                              const Tensor& k, const Tensor& v,
                                              const AttentionResult& result,
                                              const std::vector<AttentionPart>& parts,
                                              const AttentionOptions& options) {
  AttentionPlan plan = plan_attention(parts, options.window);
  const std::int64_t heads = q.size(1), kv_heads = k.size(1), dim = q.size(2);
  AttentionGradients grads;
  if (q.size(0) == k.size(0)) {
    // One buffer laid out as the fused projection is.
    const Tensor fused = at::empty({q.size(0), heads + 2 * kv_heads, dim}, q.options());
    grads = {fused.narrow(1, 0, heads), fused.narrow(1, heads, kv_heads),
             fused.narrow(1, heads + kv_heads, kv_heads)};
  } else {
    grads = {at::empty(q.sizes(), q.options()), at::empty(k.sizes(), k.options()),
             at::empty(v.sizes(), v.options())};
  }
  if (!covers_all(plan.q_blocks, q.size(0))) grads.q.zero_();
  if (!covers_all(plan.k_blocks, k.size(0))) {
    grads.k.zero_();
    grads.v.zero_();
  }
  BackwardCall<Element> call{HeadTensor<Element>(q),
                             HeadTensor<Element>(k),
                             HeadTensor<Element>(v),
                             HeadTensor<Element>(result.out),
                             HeadTensor<Element>(grad_out),
                             GradientHeads<Element>(grads.q),
                             GradientHeads<Element>(grads.k),
                             GradientHeads<Element>(grads.v),
                             heads,
                             kv_heads,
                             dim,
                             padded_width(dim),
                             q.size(0),
                             result.lse.const_data_ptr<float>(),
                             parts,
                             options,
                             std::move(plan),
                             {}};
  std::int64_t largest = 0;
  call.slot.resize(call.plan.q_blocks.size());
  for (const AttentionComponent& component : call.plan.components) {
    const auto count = static_cast<std::int64_t>(component.q_blocks.size());
    for (std::int64_t i = 0; i < count; ++i) call.slot[component.q_blocks[i]] = i;
    largest = std::max(largest, count);
  }
  Tensor partial;
  if (heads != kv_heads) {
    partial = at::empty({2, heads, static_cast<std::int64_t>(call.plan.k_blocks.size()),
                         kAttentionBlock * call.width},
                        q.options().dtype(at::kFloat));
    call.partial = partial.mutable_data_ptr<float>();
  }
  const auto components = static_cast<std::int64_t>(call.plan.components.size());
  run_attention_work(
      components * heads, [&] { return BackwardWorkspace<Element>(call.width, largest); },
      [&](std::int64_t index, BackwardWorkspace<Element>& work) {
        attention_backward_unit(call, index % heads, call.plan.components[index / heads], work);
      });
  if (call.partial != nullptr) sum_query_heads(call);
  return grads;
}

}  // namespace posttrain::detail

#endif  // POSTTRAIN_HAS_BRGEMM
