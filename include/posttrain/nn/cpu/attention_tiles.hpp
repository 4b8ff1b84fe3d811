// SPDX-License-Identifier: Apache-2.0
// The loops of blocked attention between its matrix products: packing, softmax, its derivative.
//
// Tiles are row-major with a fixed leading dimension. B operands of products in bfloat16 have pairs
// of rows interleaved (the VNNI layout): element (k, n) stands at [k / 2][n][k % 2].
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "posttrain/nn/attention_plan.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

using BFloat16 = c10::BFloat16;

/// Rows of one head of a [T, H, D] view.
template <class Element>
struct HeadRows {
  const Element* data = nullptr;
  std::int64_t stride = 0;  // between rows
  const Element* row(std::int64_t r) const { return data + r * stride; }
};

template <class Element>
struct HeadTensor {
  const Element* data = nullptr;
  std::int64_t row = 0, head = 0;  // strides
  explicit HeadTensor(const Tensor& x)
      : data(x.const_data_ptr<Element>()), row(x.stride(0)), head(x.stride(1)) {}
  HeadRows<Element> rows(std::int64_t h, std::int64_t begin) const {
    return {data + h * head + begin * row, row};
  }
};

/// Rows copied to [padded][width], zeros beyond `rows` and `dim`.
template <class Element>
void copy_padded(const HeadRows<Element>& x, std::int64_t rows, std::int64_t dim, Element* out,
                 std::int64_t padded, std::int64_t width) {
  if (rows < padded || dim < width) std::memset(out, 0, sizeof(Element) * padded * width);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::memcpy(out + r * width, x.row(r), sizeof(Element) * dim);
  }
}

// 32-bit units of `rows` rows to out[unit][row], in runs of 16 rows.
POSTTRAIN_SIMD void transpose_units(const std::uint32_t* x, std::int64_t stride, std::int64_t rows,
                                    std::int64_t units, std::uint32_t* out, std::int64_t ld) {
  constexpr std::int64_t kSide = 16;
  std::int64_t r = 0;
  for (; r + kSide <= rows; r += kSide) {
    for (std::int64_t u = 0; u < units; ++u) {
      const std::uint32_t* source = x + r * stride + u;
      std::uint32_t* target = out + u * ld + r;
#pragma omp simd
      for (std::int64_t i = 0; i < kSide; ++i) target[i] = source[i * stride];
    }
  }
  for (; r < rows; ++r) {
    for (std::int64_t u = 0; u < units; ++u) out[u * ld + r] = x[r * stride + u];
  }
}

/// The B operand xᵀ: [width][64] for float, VNNI for bfloat16; zeros beyond `rows` and `dim`.
template <class Element>
void pack_transposed(const HeadRows<Element>& x, std::int64_t rows, std::int64_t dim, Element* out,
                     std::int64_t width) {
  constexpr std::int64_t kPerUnit = 4 / sizeof(Element);
  if (rows < kAttentionBlock || dim < width) {
    std::memset(out, 0, sizeof(Element) * width * kAttentionBlock);
  }
  transpose_units(reinterpret_cast<const std::uint32_t*>(x.data), x.stride / kPerUnit, rows,
                  dim / kPerUnit, reinterpret_cast<std::uint32_t*>(out), kAttentionBlock);
}

/// The A operand xᵀ: [width][64], zeros beyond `rows` and `dim`.
template <class Element>
void transpose_rows(const HeadRows<Element>& x, std::int64_t rows, std::int64_t dim, Element* out,
                    std::int64_t width) {
  if constexpr (std::is_same_v<Element, float>) {
    pack_transposed(x, rows, dim, out, width);
  } else {
    if (rows < kAttentionBlock || dim < width) {
      std::memset(out, 0, sizeof(Element) * width * kAttentionBlock);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const Element* row = x.row(r);
      for (std::int64_t d = 0; d < dim; ++d) out[d * kAttentionBlock + r] = row[d];
    }
  }
}

// out[i] = low[i] | high[i] << 16.
POSTTRAIN_SIMD void interleave(const std::uint16_t* low, const std::uint16_t* high,
                               std::int64_t count, std::uint32_t* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<std::uint32_t>(low[i]) | (static_cast<std::uint32_t>(high[i]) << 16);
  }
}

/// The B operand x: [padded][width] for float, VNNI for bfloat16; zeros beyond `rows` and `dim`.
template <class Element>
void pack_rows(const HeadRows<Element>& x, std::int64_t rows, std::int64_t dim, Element* out,
               std::int64_t padded, std::int64_t width) {
  if constexpr (std::is_same_v<Element, float>) {
    copy_padded(x, rows, dim, out, padded, width);
  } else {
    if (rows < padded || dim < width) std::memset(out, 0, sizeof(Element) * padded * width);
    static constexpr std::uint16_t kZeros[1024] = {};
    for (std::int64_t r = 0; r < rows; r += 2) {
      const auto bits = [&](std::int64_t row) {
        return reinterpret_cast<const std::uint16_t*>(x.row(row));
      };
      auto* target = reinterpret_cast<std::uint32_t*>(out + r * width);
      interleave(bits(r), r + 1 < rows ? bits(r + 1) : kZeros, dim, target);
    }
  }
}

/// exp(x) for x <= 0 (slightly above is fine): one scale factor, no overflow to look after.
POSTTRAIN_ALWAYS_INLINE float exp_nonpositive(float x) {
  constexpr float kLow = -87.33654F, kMagic = 12582912.0F;
  const float shifted = x * 1.44269504088896341F + kMagic;
  const float n = shifted - kMagic;
  float r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::uint32_t power = std::bit_cast<std::uint32_t>(shifted) - 0x4B400000U;
  const float result = p * std::bit_cast<float>((power + 127U) << 23);
  return simd::choose(x < kLow, 0.0F, result);
}

/// s ← cap · tanh(s · scale / cap).
POSTTRAIN_SIMD void softcap_tile(float* s, std::int64_t ld, std::int64_t rows, std::int64_t columns,
                                 float scale, float cap) {
  const float factor = scale / cap;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = s + r * ld;
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) row[i] = cap * simd::tanh(row[i] * factor);
  }
}

/// x to the type of a product's operand. No care for NaN: one with all mantissa bits set would turn
/// into zero, and arithmetic does not make such.
POSTTRAIN_ALWAYS_INLINE void store_operand(float* x, std::int64_t i, float value) { x[i] = value; }
POSTTRAIN_ALWAYS_INLINE void store_operand(BFloat16* x, std::int64_t i, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  x[i].x = static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// One step of the running softmax over the columns of a tile.
template <class Element>
struct SoftmaxTile {
  float* s;  // scores before the scale
  Element* p;
  std::int64_t ld, rows, columns;
  float scale;
  float *largest, *sum;  // running, per row
  float* output;         // [rows][width], rescaled to the new maximum
  std::int64_t width;
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void softmax_tile_body(const SoftmaxTile<Element>& a) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (std::int64_t r = 0; r < a.rows; ++r) {
    float* s = a.s + r * a.ld;
    Element* p = a.p + r * a.ld;
    float largest = a.largest[r];
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < a.columns; ++i) {
      const float value = s[i] * a.scale;
      largest = value > largest ? value : largest;
    }
    const float shift = largest == -kInf ? 0.0F : largest;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < a.columns; ++i) {
      const float e = exp_nonpositive(s[i] * a.scale - shift);
      sum += e;
      store_operand(p, i, e);
    }
    if (largest != a.largest[r]) {
      const float factor = simd::exp(a.largest[r] - shift);
      a.largest[r] = largest;
      a.sum[r] *= factor;
      float* output = a.output + r * a.width;
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) output[i] *= factor;
    }
    a.sum[r] += sum;
  }
}
POSTTRAIN_SIMD void softmax_tile(const SoftmaxTile<float>& a) { softmax_tile_body(a); }
POSTTRAIN_SIMD void softmax_tile(const SoftmaxTile<BFloat16>& a) { softmax_tile_body(a); }

/// Softmax and its derivative on a transposed tile [keys][queries], leading dimension 64.
template <class Element>
struct GradientTile {
  const float *s, *dp;  // scores before the scale; dO Vᵀ
  Element *p, *ds;
  std::int64_t keys, queries;
  float scale, cap;
  const float *lse, *delta;          // per query
  const std::int32_t *first, *past;  // per key: the queries that see it
};

template <bool capped, class Element>
POSTTRAIN_ALWAYS_INLINE void gradient_tile_body(const GradientTile<Element>& a) {
  for (std::int64_t k = 0; k < a.keys; ++k) {
    const float *s = a.s + k * kAttentionBlock, *dp = a.dp + k * kAttentionBlock;
    Element *p = a.p + k * kAttentionBlock, *ds = a.ds + k * kAttentionBlock;
    const std::int32_t first = a.first[k], past = a.past[k];
#pragma omp simd
    for (std::int32_t q = 0; q < static_cast<std::int32_t>(a.queries); ++q) {
      float score = s[q] * a.scale, slope = a.scale;
      if constexpr (capped) {
        const float t = simd::tanh(score / a.cap);
        score = t * a.cap;
        slope *= 1.0F - t * t;
      }
      const float e = exp_nonpositive(score - a.lse[q]);
      const float probability = simd::choose((q >= first) & (q < past), e, 0.0F);
      const float grad = probability * (dp[q] - a.delta[q]) * slope;
      store_operand(p, q, probability);
      store_operand(ds, q, grad);
    }
  }
}
POSTTRAIN_SIMD void gradient_tile(const GradientTile<float>& a) {
  a.cap > 0 ? gradient_tile_body<true>(a) : gradient_tile_body<false>(a);
}
POSTTRAIN_SIMD void gradient_tile(const GradientTile<BFloat16>& a) {
  a.cap > 0 ? gradient_tile_body<true>(a) : gradient_tile_body<false>(a);
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE float dot_body(const Element* x, const Element* y, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += simd::load(x, i) * simd::load(y, i);
  return sum;
}
POSTTRAIN_SIMD float dot(const float* x, const float* y, std::int64_t count) {
  return dot_body(x, y, count);
}
POSTTRAIN_SIMD float dot(const BFloat16* x, const BFloat16* y, std::int64_t count) {
  return dot_body(x, y, count);
}

/// out = x · factor, rounded to the element type.
POSTTRAIN_SIMD void scale_row(const float* x, float factor, std::int64_t count, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i] * factor;
}
POSTTRAIN_SIMD void scale_row(const float* x, float factor, std::int64_t count, BFloat16* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) simd::store(out, i, x[i] * factor);
}

/// out += x.
POSTTRAIN_SIMD void add_row(const float* x, std::int64_t count, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) out[i] += x[i];
}

}  // namespace posttrain::detail
