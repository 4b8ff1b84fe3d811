// SPDX-License-Identifier: Apache-2.0
// Attention of single query rows over long keys on the CPU, for decoding from a cache.
//
// With few queries per key, packing keys for matrix products costs more than the products: here
// every key is read once, in place, for all query heads that share it. Forward only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "posttrain/nn/attention_generic.hpp"
#include "posttrain/nn/attention_plan.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"

namespace posttrain::detail {

/// Parts with at most this many queries go row by row where keys outnumber queries.
inline constexpr std::int64_t kFewQueries = 4;

/// The running softmax of one query row's heads of one group over a run of keys.
template <class Element>
struct RowAttention {
  const Element* k;  // the run's first key and value of the kv head
  const Element* v;
  std::int64_t k_stride, v_stride, keys, group, dim;
  const float* q;  // [group][dim], scaled
  float cap;
  float* scores;         // [group][keys]
  float* output;         // [group][dim]
  float *largest, *sum;  // [group]
};

// Rows of a cache are far apart: without hints the loop waits for memory at each.
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
  // Four keys at a time: their sums do not wait for each other.
  std::int64_t c = 0;
  for (; c + 4 <= a.keys; c += 4) {
    const Element *k0 = a.k + c * a.k_stride, *k1 = k0 + a.k_stride, *k2 = k1 + a.k_stride,
                  *k3 = k2 + a.k_stride;
    prefetch_rows(k0, a.k_stride, a.dim);
    for (std::int64_t g = 0; g < a.group; ++g) {
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
  for (; c < a.keys; ++c) {
    const Element* key = a.k + c * a.k_stride;
    for (std::int64_t g = 0; g < a.group; ++g) {
      const float* q = a.q + g * a.dim;
      float score = 0;
#pragma omp simd reduction(+ : score)
      for (std::int64_t d = 0; d < a.dim; ++d) score += q[d] * simd::load(key, d);
      a.scores[g * a.keys + c] = score;
    }
  }
  for (std::int64_t g = 0; g < a.group; ++g) {
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
    const Element *v0 = a.v + c * a.v_stride, *v1 = v0 + a.v_stride, *v2 = v1 + a.v_stride,
                  *v3 = v2 + a.v_stride;
    prefetch_rows(v0, a.v_stride, a.dim);
    for (std::int64_t g = 0; g < a.group; ++g) {
      const float* p = a.scores + g * a.keys + c;
      float* output = a.output + g * a.dim;
#pragma omp simd
      for (std::int64_t d = 0; d < a.dim; ++d) {
        output[d] += (p[0] * simd::load(v0, d) + p[1] * simd::load(v1, d)) +
                     (p[2] * simd::load(v2, d) + p[3] * simd::load(v3, d));
      }
    }
  }
  for (; c < a.keys; ++c) {
    const Element* value = a.v + c * a.v_stride;
    for (std::int64_t g = 0; g < a.group; ++g) {
      const float p = a.scores[g * a.keys + c];
      float* output = a.output + g * a.dim;
#pragma omp simd
      for (std::int64_t d = 0; d < a.dim; ++d) output[d] += p * simd::load(value, d);
    }
  }
}
POSTTRAIN_SIMD void row_attention(const RowAttention<float>& a) { row_attention_body(a); }
POSTTRAIN_SIMD void row_attention(const RowAttention<c10::BFloat16>& a) { row_attention_body(a); }

template <class Element>
AttentionResult attention_forward_rows(const Tensor& q, const Tensor& k, const Tensor& v,
                                       const std::vector<AttentionPart>& parts,
                                       const AttentionOptions& options) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr std::int64_t kRun = 256;
  const std::int64_t rows = q.size(0), heads = q.size(1), kv_heads = k.size(1), dim = q.size(2);
  const std::int64_t group = heads / kv_heads;
  const auto f32 = q.options().dtype(at::kFloat);
  AttentionResult result{at::empty({rows, heads, dim}, q.options()), at::empty({heads, rows}, f32)};
  std::vector<std::vector<std::size_t>> covering(rows);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (std::int64_t r = parts[p].q0; r < parts[p].q1; ++r) covering[r].push_back(p);
  }
  const auto* q_data = q.const_data_ptr<Element>();
  const auto* k_data = k.const_data_ptr<Element>();
  const auto* v_data = v.const_data_ptr<Element>();
  auto* out = result.out.template mutable_data_ptr<Element>();
  auto* lse = result.lse.template mutable_data_ptr<float>();
  const auto one = [&](std::int64_t row, std::int64_t kv_head, std::vector<float>& memory) {
    memory.assign(group * (2 * dim + kRun + 2), 0.0F);
    RowAttention<Element> call{};
    float* scaled = memory.data();
    call.output = scaled + group * dim;
    call.scores = call.output + group * dim;
    call.largest = call.scores + group * kRun;
    call.sum = call.largest + group;
    std::fill_n(call.largest, group, -kInf);
    call.k_stride = k.stride(0);
    call.v_stride = v.stride(0);
    call.group = group;
    call.dim = dim;
    call.cap = static_cast<float>(options.softcap);
    call.q = scaled;
    for (std::int64_t g = 0; g < group; ++g) {
      const Element* source = q_data + row * q.stride(0) + (kv_head * group + g) * q.stride(1);
      for (std::int64_t d = 0; d < dim; ++d) {
        scaled[g * dim + d] = simd::load(source, d) * static_cast<float>(options.scale);
      }
    }
    for (const std::size_t p : covering[row]) {
      const BlockRange visible = visible_keys(parts[p], options.window, row);
      for (std::int64_t c = visible.begin; c < visible.end; c += kRun) {
        call.keys = std::min(kRun, visible.end - c);
        call.k = k_data + c * k.stride(0) + kv_head * k.stride(1);
        call.v = v_data + c * v.stride(0) + kv_head * v.stride(1);
        row_attention(call);
      }
    }
    for (std::int64_t g = 0; g < group; ++g) {
      const std::int64_t head = kv_head * group + g;
      const float sum = call.sum[g];
      const float inverse = sum > 0 ? 1.0F / sum : 0.0F;
      for (std::int64_t d = 0; d < dim; ++d) {
        simd::store(out + (row * heads + head) * dim, d, call.output[g * dim + d] * inverse);
      }
      lse[head * rows + row] = sum > 0 ? call.largest[g] + std::log(sum) : -kInf;
    }
  };
  at::parallel_for(0, rows * kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> memory;
    for (std::int64_t i = begin; i < end; ++i) one(i / kv_heads, i % kv_heads, memory);
  });
  return result;
}

}  // namespace posttrain::detail
