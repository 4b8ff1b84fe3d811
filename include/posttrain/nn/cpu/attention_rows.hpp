// SPDX-License-Identifier: Apache-2.0
// The running softmax of single query rows over long keys on the CPU, for decoding from a cache.
//
// With few queries per key, packing keys for matrix products costs more than the products: here
// every key is read once, in place, for all query heads that share it. Forward only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "posttrain/nn/attention_types.hpp"
#include "posttrain/nn/cpu/attention_tiles.hpp"
#include "posttrain/nn/cpu/cached_plan.hpp"
#include "posttrain/nn/cpu/simd.hpp"

namespace posttrain::detail {

/// The running softmax of one query row over a run of keys, for all heads of some kv heads.
template <class Element>
struct RowAttention {
  const Element* k;  // the run's first key and value of the first kv head
  const Element* v;
  std::int64_t k_stride, v_stride, k_head, v_head, keys;
  std::int64_t kv_heads, group, dim;
  const float* q;  // [kv_heads * group][dim], scaled
  float cap;
  float* scores;         // [kv_heads * group][keys]
  float* output;         // [kv_heads * group][dim]
  float *largest, *sum;  // [kv_heads * group]
};

// Without hints the loop waits for memory at each row.
template <class Element>
POSTTRAIN_ALWAYS_INLINE void prefetch_rows(const Element* x, std::int64_t stride,
                                           std::int64_t dim) {
  constexpr std::int64_t kAhead = 12, kLine = 64 / sizeof(Element);
  for (std::int64_t r = kAhead; r < kAhead + 4; ++r) {
    for (std::int64_t d = 0; d < dim; d += kLine) __builtin_prefetch(x + r * stride + d);
  }
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE void row_attention_body(const RowAttention<Element>& a) {
  // Four keys at a time: their sums do not wait for each other. Heads inside, as they stand in
  // memory: a sequence's own keys are then one stream.
  std::int64_t c = 0;
  for (; c + 4 <= a.keys; c += 4) {
    for (std::int64_t h = 0; h < a.kv_heads; ++h) {
      const Element *k0 = a.k + c * a.k_stride + h * a.k_head, *k1 = k0 + a.k_stride,
                    *k2 = k1 + a.k_stride, *k3 = k2 + a.k_stride;
      prefetch_rows(k0, a.k_stride, a.dim);
      for (std::int64_t g = h * a.group; g < (h + 1) * a.group; ++g) {
        const float* q = a.q + g * a.dim;
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
        for (std::int64_t d = 0; d < a.dim; ++d) {
          s0 += q[d] * simd::load(k0, d);
          s1 += q[d] * simd::load(k1, d);
          s2 += q[d] * simd::load(k2, d);
          s3 += q[d] * simd::load(k3, d);
        }
        float* scores = a.scores + g * a.keys + c;
        scores[0] = s0;
        scores[1] = s1;
        scores[2] = s2;
        scores[3] = s3;
      }
    }
  }
  for (; c < a.keys; ++c) {
    for (std::int64_t h = 0; h < a.kv_heads; ++h) {
      const Element* key = a.k + c * a.k_stride + h * a.k_head;
      for (std::int64_t g = h * a.group; g < (h + 1) * a.group; ++g) {
        const float* q = a.q + g * a.dim;
        float score = 0;
#pragma omp simd reduction(+ : score)
        for (std::int64_t d = 0; d < a.dim; ++d) score += q[d] * simd::load(key, d);
        a.scores[g * a.keys + c] = score;
      }
    }
  }
  for (std::int64_t g = 0; g < a.kv_heads * a.group; ++g) {
    float* scores = a.scores + g * a.keys;
    float* output = a.output + g * a.dim;
    if (a.cap > 0) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.keys; ++i) scores[i] = a.cap * simd::tanh(scores[i] / a.cap);
    }
    float largest = a.largest[g], sum = 0;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < a.keys; ++i) largest = scores[i] > largest ? scores[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < a.keys; ++i) {
      scores[i] = simd::exp(scores[i] - largest);
      sum += scores[i];
    }
    const float factor = simd::exp(a.largest[g] - largest);
    a.largest[g] = largest;
    a.sum[g] = a.sum[g] * factor + sum;
#pragma omp simd
    for (std::int64_t d = 0; d < a.dim; ++d) output[d] *= factor;
  }
  // Four values at a time, so that the output is not read and written for each.
  for (c = 0; c + 4 <= a.keys; c += 4) {
    for (std::int64_t h = 0; h < a.kv_heads; ++h) {
      const Element *v0 = a.v + c * a.v_stride + h * a.v_head, *v1 = v0 + a.v_stride,
                    *v2 = v1 + a.v_stride, *v3 = v2 + a.v_stride;
      prefetch_rows(v0, a.v_stride, a.dim);
      for (std::int64_t g = h * a.group; g < (h + 1) * a.group; ++g) {
        const float* p = a.scores + g * a.keys + c;
        float* output = a.output + g * a.dim;
#pragma omp simd
        for (std::int64_t d = 0; d < a.dim; ++d) {
          output[d] += (p[0] * simd::load(v0, d) + p[1] * simd::load(v1, d)) +
                       (p[2] * simd::load(v2, d) + p[3] * simd::load(v3, d));
        }
      }
    }
  }
  for (; c < a.keys; ++c) {
    for (std::int64_t h = 0; h < a.kv_heads; ++h) {
      const Element* value = a.v + c * a.v_stride + h * a.v_head;
      for (std::int64_t g = h * a.group; g < (h + 1) * a.group; ++g) {
        const float p = a.scores[g * a.keys + c];
        float* output = a.output + g * a.dim;
#pragma omp simd
        for (std::int64_t d = 0; d < a.dim; ++d) output[d] += p * simd::load(value, d);
      }
    }
  }
}
POSTTRAIN_SIMD void row_attention(const RowAttention<float>& a) { row_attention_body(a); }
POSTTRAIN_SIMD void row_attention(const RowAttention<c10::BFloat16>& a) { row_attention_body(a); }

/// A softmax over some of the keys, of `count` heads or rows: Σ exp(s − largest) v, the largest
/// score, Σ exp(s − largest).
struct SoftmaxState {
  float* output;  // [count][dim]
  float *largest, *sum;
  std::int64_t count, dim;

  SoftmaxState part(std::int64_t first, std::int64_t size) const {
    return {output + first * dim, largest + first, sum + first, size, dim};
  }
  void clear() const {
    std::fill_n(output, count * dim, 0.0F);
    std::fill_n(largest, count, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, count, 0.0F);
  }
};

/// Adds a state over other keys. What an empty state gets is what is added, bit for bit.
POSTTRAIN_SIMD void add_state(const SoftmaxState& to, const SoftmaxState& from) {
  for (std::int64_t i = 0; i < to.count; ++i) {
    if (from.largest[i] == -std::numeric_limits<float>::infinity()) continue;
    const float largest = std::max(to.largest[i], from.largest[i]);
    const float kept = simd::exp(to.largest[i] - largest);
    const float added = simd::exp(from.largest[i] - largest);
    to.largest[i] = largest;
    to.sum[i] = to.sum[i] * kept + from.sum[i] * added;
    float* x = to.output + i * to.dim;
    const float* y = from.output + i * to.dim;
#pragma omp simd
    for (std::int64_t d = 0; d < to.dim; ++d) x[d] = x[d] * kept + y[d] * added;
  }
}

/// Tensors of a call, and its partial results [kv head][slot][group].
template <class Element>
struct CachedCall {
  HeadTensor<Element> q, k, v;
  std::int64_t queries, heads, kv_heads, group, dim;
  const std::vector<AttentionPart>& parts;
  const AttentionOptions& options;
  const CachedPlan& plan;
  float *output, *largest, *sum;

  /// Of rows from `slot` on.
  SoftmaxState partial(std::int64_t kv_head, std::int64_t slot, std::int64_t rows) const {
    const std::int64_t at = (kv_head * plan.slots + slot) * group;
    return {output + at * dim, largest + at, sum + at, rows * group, dim};
  }
};

/// The memory of one thread for a row's heads, `heads` of them at most.
class RowWorkspace {
 public:
  static constexpr std::int64_t kRun = 256;  // keys of a step of the running softmax
  RowWorkspace(std::int64_t heads, std::int64_t dim)
      : memory_(static_cast<std::size_t>(heads * (3 * dim + kRun + 4))),
        queries(memory_.data()),
        scores(queries + heads * dim),
        state{scores + heads * kRun, scores + heads * (kRun + 2 * dim),
              scores + heads * (kRun + 2 * dim + 1), heads, dim},
        other{state.output + heads * dim, state.sum + heads, state.sum + 2 * heads, heads, dim} {}
  RowWorkspace(const RowWorkspace&) = delete;
  RowWorkspace& operator=(const RowWorkspace&) = delete;

 private:
  std::vector<float> memory_;

 public:
  float *queries, *scores;
  SoftmaxState state, other;
};

/// Adds keys [begin, end) to the state of a row's heads of kv heads [first, past).
template <class Element>
void read_keys(const CachedCall<Element>& call, std::int64_t row, const BlockRange& kv_heads,
               const BlockRange& keys, const RowWorkspace& work) {
  if (keys.begin >= keys.end) return;
  const auto scale = static_cast<float>(call.options.scale);
  for (std::int64_t h = 0; h < kv_heads.size() * call.group; ++h) {
    const Element* source = call.q.rows(kv_heads.begin * call.group + h, row).data;
    for (std::int64_t d = 0; d < call.dim; ++d) {
      work.queries[h * call.dim + d] = simd::load(source, d) * scale;
    }
  }
  for (std::int64_t c = keys.begin; c < keys.end; c += RowWorkspace::kRun) {
    row_attention(RowAttention<Element>{
        call.k.rows(kv_heads.begin, c).data, call.v.rows(kv_heads.begin, c).data, call.k.row,
        call.v.row, call.k.head, call.v.head, std::min(RowWorkspace::kRun, keys.end - c),
        kv_heads.size(), call.group, call.dim, work.queries,
        static_cast<float>(call.options.softcap), work.scores, work.state.output,
        work.state.largest, work.state.sum});
  }
}

}  // namespace posttrain::detail
