// SPDX-License-Identifier: Apache-2.0
// The parts of a cached attention call that many queries share, by matrix products.
//
// The query rows of a part × the query heads of one kv head are the columns of Qᵀ [D, M]. Keys are
// read in place: Sᵀ = K Qᵀ by tiles of 64 keys, transposed in cache to S [M, keys], softmax, then
// O += P V. Nothing of the size of the keys is packed. V stands in place as well in float32; in
// bfloat16 a tile of it is interleaved, or, where float32 products are the faster ones, tiles of
// both are widened. A column's bits do not depend on the columns beside it.
#pragma once

#include "posttrain/nn/cpu/attention.hpp"

#ifdef POSTTRAIN_HAS_BRGEMM

#include "posttrain/nn/cpu/attention_rows.hpp"
#include "posttrain/nn/cpu/cached_plan.hpp"

namespace posttrain::detail {

/// out[m][n] = x[n][m] for rows and columns that are multiples of 16.
POSTTRAIN_SIMD void transpose_scores(const float* x, std::int64_t x_stride, std::int64_t rows,
                                     std::int64_t columns, float* out, std::int64_t out_stride) {
  // Numbers of 8 bits (row, column): a perfect shuffle rotates them by one bit, so four of them
  // transpose 16 × 16, and compilers know how to interleave vectors.
  constexpr std::int64_t kSide = 16, kHalf = kSide * kSide / 2;
  alignas(64) float a[2 * kHalf], b[2 * kHalf];
  for (std::int64_t r = 0; r < rows; r += kSide) {
    for (std::int64_t c = 0; c < columns; c += kSide) {
      for (std::int64_t i = 0; i < kSide / 2; ++i) {
        const float *low = x + (r + i) * x_stride + c, *high = low + kSide / 2 * x_stride;
        float* to = a + 2 * kSide * i;
#pragma omp simd
        for (std::int64_t j = 0; j < kSide; ++j) {
          to[2 * j] = low[j];
          to[2 * j + 1] = high[j];
        }
      }
#pragma omp simd
      for (std::int64_t j = 0; j < kHalf; ++j) {
        b[2 * j] = a[j];
        b[2 * j + 1] = a[j + kHalf];
      }
#pragma omp simd
      for (std::int64_t j = 0; j < kHalf; ++j) {
        a[2 * j] = b[j];
        a[2 * j + 1] = b[j + kHalf];
      }
      for (std::int64_t i = 0; i < kSide; ++i) {
        float* to = out + (c + i) * out_stride + r;
        const float* from = a + kSide / 2 * i;
#pragma omp simd
        for (std::int64_t j = 0; j < kSide / 2; ++j) {
          to[2 * j] = from[j];
          to[2 * j + 1] = from[j + kHalf];
        }
      }
    }
  }
}

/// Rows as float32.
POSTTRAIN_SIMD void widen_rows(const BFloat16* x, std::int64_t stride, std::int64_t rows,
                               std::int64_t dim, float* out) {
  for (std::int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (std::int64_t d = 0; d < dim; ++d) out[r * dim + d] = simd::load(x + r * stride, d);
  }
}

/// The memory of one thread; `queries` are those of the latest item.
template <class Product>
struct ProductWorkspace {
  static constexpr std::int64_t kColumns = CachedPlan::kColumns, kRun = CachedPlan::kRun;
  static constexpr std::int64_t kTile = CachedPlan::kTile;
  explicit ProductWorkspace(std::int64_t dim)
      : scratch(Scratch::size<float>(kColumns * (kTile + kRun + dim + 2)) +
                Scratch::size<Product>(kColumns * (kRun + dim) + kTile * dim) + 512),
        transposed(scratch.take<float>(kTile * kColumns)),
        scores(scratch.take<float>(kColumns * kRun)),
        output(scratch.take<float>(kColumns * dim)),
        largest(scratch.take<float>(kColumns)),
        sum(scratch.take<float>(kColumns)),
        queries(scratch.take<Product>(kColumns * dim)),
        rows(scratch.take<Product>(kTile * dim)) {
    if constexpr (std::is_same_v<Product, float>) {
      probabilities = scores;
    } else {
      probabilities = scratch.take<Product>(kColumns * kRun);
    }
  }
  Scratch scratch;
  float *transposed, *scores, *output, *largest, *sum;
  Product *queries, *rows, *probabilities;
  BlockRange packed{};
  std::int64_t packed_head = -1;
};

/// Qᵀ of an item as B operand [dim][64]: column r · group + g is head g of the item's row r.
template <class Element, class Product>
void pack_queries(const CachedCall<Element>& call, const BlockRange& rows, std::int64_t kv_head,
                  std::int64_t columns, ProductWorkspace<Product>& work) {
  constexpr std::int64_t kLd = CachedPlan::kColumns, kPair = 4 / sizeof(Product);
  if (work.packed.begin == rows.begin && work.packed.end == rows.end &&
      work.packed_head == kv_head) {
    return;
  }
  for (std::int64_t m = 0; m < columns; ++m) {
    const bool used = m < rows.size() * call.group;
    const Element* x =
        call.q.rows(kv_head * call.group + m % call.group, rows.begin + (used ? m / call.group : 0))
            .data;
    Product* to = work.queries + kPair * m;
    for (std::int64_t d = 0; d < call.dim; ++d) {
      to[d / kPair * kLd * kPair + d % kPair] = used ? static_cast<Product>(x[d]) : Product(0);
    }
  }
  work.packed = rows;
  work.packed_head = kv_head;
}

/// Asks for a tile, `rows` rows at most, while another one is multiplied: a head's rows are too far
/// apart for the processor to foresee them. (g++ drops calls of a function that only prefetches.)
template <class Element>
POSTTRAIN_ALWAYS_INLINE void prefetch_tile(const HeadRows<Element>& x, std::int64_t rows,
                                           std::int64_t dim) {
  constexpr std::int64_t kLine = 64 / sizeof(Element);
  for (std::int64_t r = 0; r < std::min(rows, CachedPlan::kTile); ++r) {
    for (std::int64_t d = 0; d < dim; d += kLine) __builtin_prefetch(x.row(r) + d, 0, 2);
  }
}

/// A tile of K as A operand: in place, where it is whole and needs no widening.
template <class Element, class Product>
HeadRows<Product> key_operand(const HeadRows<Element>& x, std::int64_t rows, std::int64_t padded,
                              std::int64_t dim, Product* memory) {
  if constexpr (std::is_same_v<Element, Product>) {
    if (rows == padded) return x;
    copy_padded(x, rows, dim, memory, padded, dim);
  } else {
    widen_rows(x.data, x.stride, rows, dim, memory);
    std::fill(memory + rows * dim, memory + padded * dim, 0.0F);
  }
  return {memory, dim};
}

/// A tile of V as B operand.
template <class Element, class Product>
HeadRows<Product> value_operand(const HeadRows<Element>& x, std::int64_t rows, std::int64_t padded,
                                std::int64_t dim, Product* memory) {
  if constexpr (std::is_same_v<Product, float>) {
    return key_operand(x, rows, padded, dim, memory);
  } else {
    pack_rows(x, rows, dim, memory, padded, dim);
    return {memory, dim};
  }
}

/// Columns [0, width) of a run's scores that a row does not see, from key `begin` on, get −inf.
template <class Element>
void mask_scores(const CachedCall<Element>& call, const CachedItem& item, std::int64_t begin,
                 std::int64_t end, std::int64_t width, float* scores) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (std::int64_t row = item.rows.begin; row < item.rows.end; ++row) {
    const BlockRange seen = visible_keys(call.parts[item.part], call.options.window, row);
    const std::int64_t first = std::clamp<std::int64_t>(seen.begin - begin, 0, width);
    const std::int64_t past =
        std::clamp<std::int64_t>(std::min(seen.end, end) - begin, first, width);
    for (std::int64_t g = 0; g < call.group; ++g, scores += CachedPlan::kRun) {
      std::fill(scores, scores + first, -kInf);
      std::fill(scores + past, scores + width, -kInf);
    }
  }
}

/// An item of products for one kv head: its partial results.
template <class Element, class Product>
void run_products(const CachedCall<Element>& call, const CachedItem& item, std::int64_t kv_head,
                  ProductWorkspace<Product>& work) {
  constexpr std::int64_t kTile = CachedPlan::kTile, kRun = CachedPlan::kRun,
                         kLd = CachedPlan::kColumns;
  const AttentionPart& part = call.parts[item.part];
  const std::int64_t dim = call.dim, count = item.rows.size() * call.group;
  const std::int64_t columns = (count + 15) / 16 * 16;
  const BlockRange seen = seen_keys(part, call.options.window, item.rows);
  const auto scale = static_cast<float>(call.options.scale);
  const bool capped = call.options.softcap > 0;
  pack_queries(call, item.rows, kv_head, columns, work);
  for (std::int64_t run = item.runs.begin; run < item.runs.end; ++run) {
    const std::int64_t base = part.k0 + run * kRun, end = std::min(base + kRun, seen.end);
    // Tiles that no row sees fall away.
    const std::int64_t begin = base + std::max<std::int64_t>(0, seen.begin - base) / kTile * kTile;
    std::int64_t width = 0;
    for (std::int64_t key = begin; key < end; key += kTile) {
      const std::int64_t keys = std::min(kTile, end - key), padded = padded_rows(keys);
      const std::int64_t next = key + kTile;
      if (next < end) prefetch_tile(call.k.rows(kv_head, next), end - next, dim);
      const HeadRows<Product> a =
          key_operand(call.k.rows(kv_head, key), keys, padded, dim, work.rows);
      tile_product(padded, columns, dim, a.data, a.stride, work.queries, kLd, work.transposed, kLd,
                   false);
      transpose_scores(work.transposed, kLd, padded, columns, work.scores + width, kRun);
      width += padded;
    }
    prefetch_tile(call.v.rows(kv_head, begin), end - begin, dim);
    if (capped) {
      softcap_tile(work.scores, kRun, count, width, scale,
                   static_cast<float>(call.options.softcap));
    }
    mask_scores(call, item, begin, end, width, work.scores);
    const SoftmaxState state{work.output, work.largest, work.sum, count, dim};
    state.clear();
    softmax_tile(SoftmaxTile<Product>{work.scores, work.probabilities, kRun, count, width,
                                      capped ? 1.0F : scale, work.largest, work.sum, work.output,
                                      dim});
    for (std::int64_t key = begin; key < end; key += kTile) {
      const std::int64_t keys = std::min(kTile, end - key), padded = padded_rows(keys);
      const std::int64_t next = key + kTile;
      if (next < end) {
        prefetch_tile(call.v.rows(kv_head, next), end - next, dim);
      } else if (next < part.k1) {  // probably the next item's keys
        prefetch_tile(call.k.rows(kv_head, next), part.k1 - next, dim);
      }
      const HeadRows<Product> b =
          value_operand(call.v.rows(kv_head, key), keys, padded, dim, work.rows);
      tile_product(columns, dim, padded, work.probabilities + (key - begin), kRun, b.data, b.stride,
                   work.output, dim, true);
    }
    const SoftmaxState kept = call.partial(kv_head, item.slot, item.rows.size());
    if (run == item.runs.begin) kept.clear();
    add_state(kept, state);
  }
}

}  // namespace posttrain::detail

#endif  // POSTTRAIN_HAS_BRGEMM
