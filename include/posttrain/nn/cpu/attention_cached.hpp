// SPDX-License-Identifier: Apache-2.0
// Attention of few queries over many keys on the CPU, for decoding many samples of shared prompts
// (after Hydragen, arXiv 2402.05099). Forward only.
//
// Parts with many queries (a prompt under its samples) go by matrix products, in pieces of 512
// keys; then each row takes these partial results and reads its own keys (parts of a few queries)
// in one softmax, in the order of the list. Which piece is computed by whom decides no bit: the
// same results for any number of threads. Through a full part a row's results depend on the other
// rows only in whether there are more than 4 of them (then by products).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "posttrain/nn/attention_parts.hpp"
#include "posttrain/nn/attention_types.hpp"
#include "posttrain/nn/cpu/attention_rows.hpp"
#include "posttrain/nn/cpu/cached_products.hpp"
#include "posttrain/nn/cpu/rows.hpp"

namespace posttrain::detail {

/// Whether parts of any number of queries can be computed, not only those of a few.
inline bool cached_products_exist([[maybe_unused]] const Tensor& q) {
#ifdef POSTTRAIN_HAS_BRGEMM
  return q.size(2) <= 512;
#else
  return false;
#endif
}

// A piece of a single row for some kv heads: its partial result.
template <class Element>
void run_single(const CachedCall<Element>& call, const CachedItem& item, const BlockRange& kv_heads,
                const RowWorkspace& work) {
  const AttentionPart& part = call.parts[item.part];
  const BlockRange seen = visible_keys(part, call.options.window, item.rows.begin);
  const std::int64_t begin = part.k0 + item.runs.begin * CachedPlan::kRowRun;
  work.state.clear();
  read_keys(call, item.rows.begin, kv_heads,
            {std::max(begin, seen.begin), std::min(begin + CachedPlan::kRowRun, seen.end)}, work);
  for (std::int64_t h = 0; h < kv_heads.size(); ++h) {
    const SoftmaxState kept = call.partial(kv_heads.begin + h, item.slot, 1);
    kept.clear();
    add_state(kept, work.state.part(h * call.group, call.group));
  }
}

// One row's heads of some kv heads: partial results and keys that are read here, as the parts come.
template <class Element>
void finish_row(const CachedCall<Element>& call, std::int64_t row, const BlockRange& kv_heads,
                const RowWorkspace& work, Element* out, float* lse) {
  work.state.clear();
  const auto at = static_cast<std::size_t>(row);
  for (std::int64_t s = call.plan.first[at]; s < call.plan.first[at + 1]; ++s) {
    const CachedStep& step = call.plan.steps[static_cast<std::size_t>(s)];
    if (step.count == 0) {
      read_keys(call, row, kv_heads, visible_keys(call.parts[step.part], call.options.window, row),
                work);
      continue;
    }
    // A part's runs by themselves first, as where they are added up at once.
    work.other.clear();
    for (std::int64_t h = 0; h < kv_heads.size(); ++h) {
      for (std::int64_t i = 0; i < step.count; ++i) {
        add_state(work.other.part(h * call.group, call.group),
                  call.partial(kv_heads.begin + h, step.slot + i * step.stride, 1));
      }
    }
    add_state(work.state, work.other);
  }
  for (std::int64_t h = 0; h < kv_heads.size() * call.group; ++h) {
    const std::int64_t head = kv_heads.begin * call.group + h;
    const float sum = work.state.sum[h];
    scale_row(work.state.output + h * call.dim, sum > 0 ? 1.0F / sum : 0.0F, call.dim,
              out + (row * call.heads + head) * call.dim);
    lse[head * call.queries + row] =
        sum > 0 ? work.state.largest[h] + std::log(sum) : -std::numeric_limits<float>::infinity();
  }
}

// work(index below `count`, kv heads, memory) for all of them: for all kv heads at once, which read
// the keys of a sequence as one stream, or for fewer where that leaves threads without work.
template <class Element, class Work>
void share_rows(const CachedCall<Element>& call, std::int64_t count, const Work& work) {
  if (count == 0) return;
  const std::int64_t pieces =
      std::clamp<std::int64_t>(4 * at::get_num_threads() / count, 1, call.kv_heads);
  const std::int64_t size = (call.kv_heads + pieces - 1) / pieces;
  const std::int64_t blocks = (call.kv_heads + size - 1) / size;
  share_work(
      count * blocks, [&] { return RowWorkspace(size * call.group, call.dim); },
      [&](std::int64_t index, const RowWorkspace& memory) {
        const std::int64_t first = index % blocks * size;
        work(index / blocks, BlockRange{first, std::min(first + size, call.kv_heads)}, memory);
      });
}

// All parts that many queries share.
template <class Product, class Element>
void share_products([[maybe_unused]] const CachedCall<Element>& call) {
#ifdef POSTTRAIN_HAS_BRGEMM
  // A head's items one after another: its queries are packed once for all of them.
  const auto items = static_cast<std::int64_t>(call.plan.products.size());
  if (items == 0) return;
  run_attention_work(
      items * call.kv_heads, [&] { return ProductWorkspace<Product>(call.dim); },
      [&](std::int64_t index, ProductWorkspace<Product>& work) {
        run_products(call, call.plan.products[static_cast<std::size_t>(index % items)],
                     index / items, work);
      });
#endif
}

/// q, k and v with a row layout, for products in bfloat16 with rows at multiples of 4 bytes.
template <class Element, class Product = Element>
AttentionResult attention_forward_cached(const Tensor& q, const Tensor& k, const Tensor& v,
                                         const AttentionParts& parts,
                                         const AttentionOptions& options) {
  const std::int64_t queries = q.size(0), heads = q.size(1), kv_heads = k.size(1), dim = q.size(2);
  const CachedPlan& plan = parts.cached(options.window, queries, heads / kv_heads);
  const auto f32 = q.options().dtype(at::kFloat);
  AttentionResult result{at::empty({queries, heads, dim}, q.options()),
                         at::empty({heads, queries}, f32)};
  const std::int64_t states = plan.slots * heads;
  const Tensor partial = at::empty({states * (dim + 2)}, f32);
  auto* memory = partial.mutable_data_ptr<float>();
  const CachedCall<Element> call{HeadTensor<Element>(q),
                                 HeadTensor<Element>(k),
                                 HeadTensor<Element>(v),
                                 queries,
                                 heads,
                                 kv_heads,
                                 heads / kv_heads,
                                 dim,
                                 parts.list(),
                                 options,
                                 plan,
                                 memory,
                                 memory + states * dim,
                                 memory + states * (dim + 1)};
  share_products<Product>(call);
  share_rows(call, static_cast<std::int64_t>(plan.single.size()),
             [&](std::int64_t index, const BlockRange& kv_heads, const RowWorkspace& work) {
               run_single(call, plan.single[static_cast<std::size_t>(index)], kv_heads, work);
             });
  auto* out = result.out.template mutable_data_ptr<Element>();
  auto* lse = result.lse.template mutable_data_ptr<float>();
  share_rows(call, queries,
             [&](std::int64_t row, const BlockRange& kv_heads, const RowWorkspace& work) {
               finish_row(call, row, kv_heads, work, out, lse);
             });
  return result;
}

}  // namespace posttrain::detail
