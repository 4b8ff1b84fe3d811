// SPDX-License-Identifier: Apache-2.0
// Blocked attention on the CPU in float32 and bfloat16 (after FlashAttention-2, arXiv 2307.08691).
//
// Tiles of 64 × 64 scores; products by LibTorch's small-matrix routine `brgemm`, which the build
// looks for (POSTTRAIN_HAS_BRGEMM). Threads take (head, block of queries) forward, and (head,
// independent group of segments) backward, each writing its own results: no atomics on results,
// the same bits for any number of threads. The backward works on transposed tiles, so that no tile
// is transposed: Sᵀ = K Qᵀ, dV += Pᵀ dO, dK += dSᵀ Q, dQᵀ += Kᵀ dSᵀ.
#pragma once

#include "posttrain/nn/attention_generic.hpp"

#ifdef POSTTRAIN_HAS_BRGEMM

#include <ATen/native/CPUBlas.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "posttrain/nn/attention_plan.hpp"
#include "posttrain/nn/cpu/attention_tiles.hpp"
#include "posttrain/nn/cpu/rows.hpp"

namespace posttrain::detail {

inline void tile_product(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                         std::int64_t lda, const float* b, std::int64_t ldb, float* c,
                         std::int64_t ldc, bool add) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, add, a, b, c, false);
}
inline void tile_product(std::int64_t m, std::int64_t n, std::int64_t k, const BFloat16* a,
                         std::int64_t lda, const BFloat16* b, std::int64_t ldb, float* c,
                         std::int64_t ldc, bool add) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, add, a, b, c, true);
}

/// Whether products of bfloat16 tiles exist here, take B in the VNNI layout and are faster than
/// those in float32, measured once (some processors emulate them).
inline bool bfloat16_products_pay() {
  static const bool pay = [] {
    constexpr std::int64_t kSide = kAttentionBlock, kCount = kSide * kSide;
    std::vector<BFloat16> a(kCount), b(kCount);
    std::vector<float> wide(kCount, 1.0F), c(kCount);
    for (std::int64_t i = 0; i < kCount; ++i) {
      a[i] = static_cast<float>(i / kSide % 5 + i % 3);
      b[i] = static_cast<float>(i % 7);
    }
    const auto seconds = [&](const auto* x, const auto* y) {
      double best = 1e9;
      for (int repeat = 0; repeat < 5; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < 8; ++i) {
          tile_product(kSide, kSide, kSide, x, kSide, y, kSide, c.data(), kSide, false);
        }
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::min(best, elapsed.count());
      }
      return best;
    };
    try {
      const double narrow = seconds(a.data(), b.data());
      for (std::int64_t m = 0; m < kSide; ++m) {
        for (std::int64_t n = 0; n < kSide; ++n) {
          float expected = 0;
          for (std::int64_t k = 0; k < kSide; ++k) {
            expected += static_cast<float>(a[m * kSide + k]) *
                        static_cast<float>(b[(k / 2 * kSide + n) * 2 + k % 2]);
          }
          if (c[m * kSide + n] != expected) return false;
        }
      }
      return narrow < seconds(wide.data(), wide.data());
    } catch (const std::exception&) {  // LibTorch's, or oneDNN's own
      return false;
    }
  }();
  return pay;
}

/// Few distinct sizes: every size is a kernel to generate once per thread.
inline std::int64_t padded_rows(std::int64_t rows) { return (rows + 31) / 32 * 32; }
/// Of queries, which may be as few as the heads of a sample that is decoded.
inline std::int64_t padded_queries(std::int64_t rows) { return rows <= 8 ? 8 : padded_rows(rows); }
inline std::int64_t padded_width(std::int64_t dim) { return (dim + 15) / 16 * 16; }

/// Scratch memory of one thread, handed out in pieces aligned to cache lines. Zeroed, so that
/// padding that nobody writes is finite.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes)
      : memory_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {
    std::memset(memory_.get(), 0, bytes);
  }
  template <class Element>
  Element* take(std::int64_t count) {
    auto* piece = reinterpret_cast<Element*>(memory_.get() + used_);
    used_ += size<Element>(count);
    return piece;
  }
  template <class Element>
  static std::size_t size(std::int64_t count) {
    return (sizeof(Element) * static_cast<std::size_t>(count) + 63) / 64 * 64;
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t used_ = 0;
};

/// `share_work` with products: a thread gives their hardware context back at its end.
template <class Workspace, class Work>
void run_attention_work(std::int64_t count, const Workspace& make_workspace, const Work& work) {
  struct Products {
    decltype(make_workspace()) workspace;
    ~Products() { at::native::cpublas::brgemm_release(); }
  };
  share_work(
      count, [&] { return Products{make_workspace()}; },
      [&](std::int64_t index, Products& products) { work(index, products.workspace); });
}

// The memory of one thread of the forward pass.
template <class Element>
struct ForwardWorkspace {
  static constexpr std::int64_t kGroup = 4;  // tiles per step of the running softmax
  static constexpr std::int64_t kColumns = kGroup * kAttentionBlock;
  explicit ForwardWorkspace(std::int64_t width)
      : scratch(Scratch::size<float>(kAttentionBlock * (kColumns + width + 2)) +
                Scratch::size<Element>(kAttentionBlock * (kColumns + width)) + 256),
        scores(scratch.take<float>(kAttentionBlock * kColumns)),
        output(scratch.take<float>(kAttentionBlock * width)),
        largest(scratch.take<float>(kAttentionBlock)),
        sum(scratch.take<float>(kAttentionBlock)),
        queries(scratch.take<Element>(kAttentionBlock * width)) {
    if constexpr (std::is_same_v<Element, float>) {
      probabilities = scores;
    } else {
      probabilities = scratch.take<Element>(kAttentionBlock * kColumns);
    }
  }
  Scratch scratch;
  float *scores, *output, *largest, *sum;
  Element *queries, *probabilities;
};

template <class Element>
struct ForwardCall {
  HeadTensor<Element> q, k, v;
  std::int64_t heads, kv_heads, dim, width;  // width: dim padded
  const std::vector<AttentionPart>& parts;
  const AttentionOptions& options;
  AttentionPlan plan;
  // Per (kv head, block of keys): Kᵀ [width][64] and V [64][width] as B operands.
  std::vector<Element*> keys, values;
  Element* out;  // [Tq, Hq, D]
  float* lse;    // [Hq, Tq]
  std::int64_t queries;

  std::size_t panel(std::int64_t kv_head, std::int64_t block) const {
    return static_cast<std::size_t>(kv_head) * plan.k_blocks.size() +
           static_cast<std::size_t>(block);
  }
};

// Keys that no query may see get −inf.
inline void mask_tile(const AttentionPart& part, std::int64_t window, const BlockRange& q_block,
                      const BlockRange& k_block, float* scores, std::int64_t ld) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (std::int64_t r = 0; r < q_block.size(); ++r) {
    const BlockRange visible = visible_keys(part, window, q_block.begin + r);
    const std::int64_t first =
        std::clamp<std::int64_t>(visible.begin - k_block.begin, 0, k_block.size());
    const std::int64_t past =
        std::clamp<std::int64_t>(visible.end - k_block.begin, first, k_block.size());
    float* row = scores + r * ld;
    std::fill(row, row + first, -kInf);
    std::fill(row + past, row + kAttentionBlock, -kInf);
  }
}

template <class Element>
void attention_forward_block(const ForwardCall<Element>& call, std::int64_t head,
                             std::int64_t block, ForwardWorkspace<Element>& work) {
  using Work = ForwardWorkspace<Element>;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const BlockRange rows = call.plan.q_blocks[block];
  const std::int64_t count = rows.size(), padded = padded_queries(count), width = call.width;
  const std::int64_t kv_head = head / (call.heads / call.kv_heads);
  HeadRows<Element> q = call.q.rows(head, rows.begin);
  if (count < padded || call.dim < width) {
    copy_padded(q, count, call.dim, work.queries, padded, width);
    q = {work.queries, width};
  }
  std::fill_n(work.largest, kAttentionBlock, -kInf);
  std::fill_n(work.sum, kAttentionBlock, 0.0F);
  std::fill_n(work.output, padded * width, 0.0F);
  const bool capped = call.options.softcap > 0;
  const auto scale = static_cast<float>(call.options.scale);
  const std::vector<AttentionTile>& tiles = call.plan.by_query[block];
  for (std::size_t begin = 0; begin < tiles.size(); begin += Work::kGroup) {
    const std::size_t end = std::min(begin + Work::kGroup, tiles.size());
    const auto columns = static_cast<std::int64_t>(end - begin) * kAttentionBlock;
    for (std::size_t t = begin; t < end; ++t) {
      float* scores = work.scores + (t - begin) * kAttentionBlock;
      const BlockRange& keys = call.plan.k_blocks[tiles[t].block];
      const std::int64_t key_count = padded_rows(keys.size());
      tile_product(padded, key_count, width, q.data, q.stride,
                   call.keys[call.panel(kv_head, tiles[t].block)], kAttentionBlock, scores,
                   Work::kColumns, false);
      if (capped) {
        softcap_tile(scores, Work::kColumns, count, key_count, scale,
                     static_cast<float>(call.options.softcap));
      }
      if (!tiles[t].full || keys.size() < kAttentionBlock) {
        mask_tile(call.parts[tiles[t].part], call.options.window, rows, keys, scores,
                  Work::kColumns);
      }
    }
    softmax_tile(SoftmaxTile<Element>{work.scores, work.probabilities, Work::kColumns, count,
                                      columns, capped ? 1.0F : scale, work.largest, work.sum,
                                      work.output, width});
    for (std::size_t t = begin; t < end; ++t) {
      const std::int64_t key_count = padded_rows(call.plan.k_blocks[tiles[t].block].size());
      tile_product(padded, width, key_count, work.probabilities + (t - begin) * kAttentionBlock,
                   Work::kColumns, call.values[call.panel(kv_head, tiles[t].block)], width,
                   work.output, width, true);
    }
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const float sum = work.sum[r];
    const std::int64_t row = rows.begin + r;
    scale_row(work.output + r * width, sum > 0 ? 1.0F / sum : 0.0F, call.dim,
              call.out + (row * call.heads + head) * call.dim);
    call.lse[head * call.queries + row] = sum > 0 ? work.largest[r] + std::log(sum) : -kInf;
  }
}

inline bool covers_all(const std::vector<BlockRange>& blocks, std::int64_t rows) {
  std::int64_t covered = 0;
  for (const BlockRange& block : blocks) covered += block.size();
  return covered == rows;
}

template <class Element>
AttentionResult attention_forward_blocked(const Tensor& q, const Tensor& k, const Tensor& v,
                                          const std::vector<AttentionPart>& parts,
                                          const AttentionOptions& options) {
  ForwardCall<Element> call{HeadTensor<Element>(q),
                            HeadTensor<Element>(k),
                            HeadTensor<Element>(v),
                            q.size(1),
                            k.size(1),
                            q.size(2),
                            padded_width(q.size(2)),
                            parts,
                            options,
                            plan_attention(parts, options.window, options.tiles),
                            {},
                            {},
                            nullptr,
                            nullptr,
                            q.size(0)};
  const auto k_blocks = static_cast<std::int64_t>(call.plan.k_blocks.size());
  const auto q_blocks = static_cast<std::int64_t>(call.plan.q_blocks.size());
  const std::int64_t panels = k_blocks * call.kv_heads, panel_size = call.width * kAttentionBlock;
  const auto f32 = q.options().dtype(at::kFloat);
  AttentionResult result{at::empty({q.size(0), q.size(1), q.size(2)}, q.options()),
                         at::empty({q.size(1), q.size(0)}, f32)};
  if (!covers_all(call.plan.q_blocks, q.size(0))) {
    result.out.zero_();
    result.lse.fill_(-std::numeric_limits<double>::infinity());
  }
  const Tensor packed = at::empty({2, panels, panel_size}, q.options());
  auto* memory = packed.mutable_data_ptr<Element>();
  for (std::int64_t i = 0; i < panels; ++i) {
    call.keys.push_back(memory + i * panel_size);
    call.values.push_back(memory + (panels + i) * panel_size);
  }
  at::parallel_for(0, panels, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const BlockRange& block = call.plan.k_blocks[i % k_blocks];
      const std::int64_t head = i / k_blocks, rows = block.size();
      pack_transposed(call.k.rows(head, block.begin), rows, call.dim, call.keys[i], call.width);
      pack_rows(call.v.rows(head, block.begin), rows, call.dim, call.values[i], kAttentionBlock,
                call.width);
    }
  });
  call.out = result.out.template mutable_data_ptr<Element>();
  call.lse = result.lse.template mutable_data_ptr<float>();
  run_attention_work(
      q_blocks * call.heads, [&] { return ForwardWorkspace<Element>(call.width); },
      [&](std::int64_t index, ForwardWorkspace<Element>& work) {
        // Late blocks see most keys: first the long work, then what fills the gaps.
        attention_forward_block(call, index / q_blocks, q_blocks - 1 - index % q_blocks, work);
      });
  return result;
}

}  // namespace posttrain::detail

#endif  // POSTTRAIN_HAS_BRGEMM
