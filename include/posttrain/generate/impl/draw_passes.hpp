// SPDX-License-Identifier: Apache-2.0
// The passes over a row of logits that a draw is made of (draw_by_rows.ipp), vectorised
// (nn/cpu/simd.hpp): maxima, weights and their sums by blocks, masses above bounds.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "posttrain/nn/cpu/simd.hpp"

namespace posttrain::detail {

inline constexpr std::int64_t kDrawBlock = 128;  // columns whose sum is a float

inline std::int64_t draw_blocks(std::int64_t width) {
  return (width + kDrawBlock - 1) / kDrawBlock;
}

/// Integers in the order of the floats with these bits (a NaN is at either end); its own inverse.
POSTTRAIN_ALWAYS_INLINE std::int32_t in_order(std::int32_t bits) {
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

/// The largest of a block, in order. Not `omp simd`: g++ 12 takes a maximum through memory there,
/// lane by lane, where it makes vectors of a plain loop over integers with a constant end.
template <class Element>
POSTTRAIN_ALWAYS_INLINE std::int32_t largest_of_block(const Element* z, std::int64_t count) {
  std::int32_t largest = std::numeric_limits<std::int32_t>::min();
  const auto add = [&](std::int64_t i) __attribute__((always_inline)) {
    const std::int32_t value = in_order(std::bit_cast<std::int32_t>(simd::load(z, i)));
    largest = value > largest ? value : largest;
  };
  if (count == kDrawBlock) {
    for (std::int64_t i = 0; i < kDrawBlock; ++i) add(i);
  } else {
    for (std::int64_t i = 0; i < count; ++i) add(i);
  }
  return largest;
}

/// The maxima of blocks, and of all; a NaN may be passed over, and then shows in the sum of
/// weights.
template <class Element>
POSTTRAIN_ALWAYS_INLINE float scan_row_body(const Element* z, std::int64_t width,
                                            float* block_max) {
  std::int32_t largest = std::numeric_limits<std::int32_t>::min();
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    const std::int32_t of_block = largest_of_block(z + start, std::min(width - start, kDrawBlock));
    block_max[block] = std::bit_cast<float>(in_order(of_block));
    largest = std::max(largest, of_block);
  }
  return std::bit_cast<float>(in_order(largest));
}
POSTTRAIN_SIMD float scan_row(const float* z, std::int64_t width, float* block_max) {
  return scan_row_body(z, width, block_max);
}
POSTTRAIN_SIMD float scan_row(const c10::BFloat16* z, std::int64_t width, float* block_max) {
  return scan_row_body(z, width, block_max);
}

/// weights = exp((z − largest) · inverse), their sums by blocks, and the sum of all.
template <class Element>
POSTTRAIN_ALWAYS_INLINE double weigh_row_body(const Element* z, std::int64_t width, float largest,
                                              float inverse, float* weights, double* block_sums) {
  double total = 0;
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    const std::int64_t stop = std::min(start + kDrawBlock, width);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = start; i < stop; ++i) {
      const float weight = simd::exp((simd::load(z, i) - largest) * inverse);
      weights[i] = weight;
      sum += weight;
    }
    block_sums[block] = sum;
    total += sum;
  }
  return total;
}
POSTTRAIN_SIMD double weigh_row(const float* z, std::int64_t width, float largest, float inverse,
                                float* weights, double* block_sums) {
  return weigh_row_body(z, width, largest, inverse, weights, block_sums);
}
POSTTRAIN_SIMD double weigh_row(const c10::BFloat16* z, std::int64_t width, float largest,
                                float inverse, float* weights, double* block_sums) {
  return weigh_row_body(z, width, largest, inverse, weights, block_sums);
}

/// Weights of logits below `lowest` become 0, and the sums are made anew. Of blocks without such a
/// logit only the sum becomes 0: nothing reads their weights any more.
template <class Element>
POSTTRAIN_ALWAYS_INLINE double keep_row_body(const Element* z, std::int64_t width, float lowest,
                                             const float* block_max, float* weights,
                                             double* block_sums) {
  double total = 0;
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    const std::int64_t stop = std::min(start + kDrawBlock, width);
    float sum = 0;
    if (block_max[block] >= lowest) {
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = start; i < stop; ++i) {
        const float weight = simd::choose(simd::load(z, i) >= lowest, weights[i], 0.0F);
        weights[i] = weight;
        sum += weight;
      }
    }
    block_sums[block] = sum;
    total += sum;
  }
  return total;
}
POSTTRAIN_SIMD double keep_row(const float* z, std::int64_t width, float lowest,
                               const float* block_max, float* weights, double* block_sums) {
  return keep_row_body(z, width, lowest, block_max, weights, block_sums);
}
POSTTRAIN_SIMD double keep_row(const c10::BFloat16* z, std::int64_t width, float lowest,
                               const float* block_max, float* weights, double* block_sums) {
  return keep_row_body(z, width, lowest, block_max, weights, block_sums);
}

/// Σ weight · (z − largest) · inverse, over blocks that have a weight.
template <class Element>
POSTTRAIN_ALWAYS_INLINE double weighted_row_body(const Element* z, std::int64_t width,
                                                 float largest, float inverse, const float* weights,
                                                 const double* block_sums) {
  double total = 0;
  for (std::int64_t start = 0, block = 0; start < width; start += kDrawBlock, ++block) {
    if (block_sums[block] <= 0) continue;
    const std::int64_t stop = std::min(start + kDrawBlock, width);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = start; i < stop; ++i) {
      // The weight is 0 where −∞ is replaced.
      sum += weights[i] * std::max((simd::load(z, i) - largest) * inverse, -100.0F);
    }
    total += sum;
  }
  return total;
}
POSTTRAIN_SIMD double weighted_row(const float* z, std::int64_t width, float largest, float inverse,
                                   const float* weights, const double* block_sums) {
  return weighted_row_body(z, width, largest, inverse, weights, block_sums);
}
POSTTRAIN_SIMD double weighted_row(const c10::BFloat16* z, std::int64_t width, float largest,
                                   float inverse, const float* weights, const double* block_sums) {
  return weighted_row_body(z, width, largest, inverse, weights, block_sums);
}

/// For each of four bounds, descending, the weights of the logits that are at least as large.
template <class Element>
POSTTRAIN_ALWAYS_INLINE void mass_above_body(const Element* z, const float* weights,
                                             std::int64_t width, const float* block_max,
                                             const std::array<float, 4>& lowest,
                                             std::array<double, 4>& mass) {
  constexpr std::int64_t kStep = 4;  // blocks for one sum: four sums across a vector cost something
  const float l0 = lowest[0], l1 = lowest[1], l2 = lowest[2], l3 = lowest[3];
  mass.fill(0.0);
  for (std::int64_t start = 0, block = 0; start < width;
       start += kStep * kDrawBlock, block += kStep) {
    const std::int64_t stop = std::min(start + kStep * kDrawBlock, width);
    float largest = block_max[block];
    for (std::int64_t i = block + 1; i * kDrawBlock < stop; ++i) {
      largest = std::max(largest, block_max[i]);
    }
    if (largest < l3) continue;
    float m0 = 0, m1 = 0, m2 = 0, m3 = 0;
#pragma omp simd reduction(+ : m0, m1, m2, m3)
    for (std::int64_t i = start; i < stop; ++i) {
      const float value = simd::load(z, i), weight = weights[i];
      m0 += simd::choose(value >= l0, weight, 0.0F);
      m1 += simd::choose(value >= l1, weight, 0.0F);
      m2 += simd::choose(value >= l2, weight, 0.0F);
      m3 += simd::choose(value >= l3, weight, 0.0F);
    }
    mass[0] += m0;
    mass[1] += m1;
    mass[2] += m2;
    mass[3] += m3;
  }
}
POSTTRAIN_SIMD void mass_above(const float* z, const float* weights, std::int64_t width,
                               const float* block_max, const std::array<float, 4>& lowest,
                               std::array<double, 4>& mass) {
  mass_above_body(z, weights, width, block_max, lowest, mass);
}
POSTTRAIN_SIMD void mass_above(const c10::BFloat16* z, const float* weights, std::int64_t width,
                               const float* block_max, const std::array<float, 4>& lowest,
                               std::array<double, 4>& mass) {
  mass_above_body(z, weights, width, block_max, lowest, mass);
}

/// The ids of lowest ≤ z < beyond, ascending; returns their number.
template <class Element>
POSTTRAIN_ALWAYS_INLINE std::int64_t ids_between_body(const Element* z, std::int64_t width,
                                                      const float* block_max, float lowest,
                                                      float beyond, std::int32_t* ids) {
  constexpr std::int64_t kGroup = 32;  // most have none
  static_assert(kDrawBlock % kGroup == 0);
  std::int64_t count = 0;
  for (std::int64_t start = 0; start < width; start += kGroup) {
    if (block_max[start / kDrawBlock] < lowest) {
      start += kDrawBlock - kGroup;  // a group begins each block
      continue;
    }
    const std::int64_t stop = std::min(start + kGroup, width);
    if (stop - start == kGroup) {
      std::int32_t found = 0;  // a loop without `omp simd` as in largest_of_block
      for (std::int64_t i = 0; i < kGroup; ++i) {
        const float value = simd::load(z + start, i);
        found |=
            static_cast<std::int32_t>(value >= lowest) & static_cast<std::int32_t>(value < beyond);
      }
      if (found == 0) continue;
    }
    for (std::int64_t i = start; i < stop; ++i) {
      const float value = simd::load(z, i);
      ids[count] = static_cast<std::int32_t>(i);
      count += static_cast<int>(value >= lowest) & static_cast<int>(value < beyond);
    }
  }
  return count;
}
POSTTRAIN_SIMD std::int64_t ids_between(const float* z, std::int64_t width, const float* block_max,
                                        float lowest, float beyond, std::int32_t* ids) {
  return ids_between_body(z, width, block_max, lowest, beyond, ids);
}
POSTTRAIN_SIMD std::int64_t ids_between(const c10::BFloat16* z, std::int64_t width,
                                        const float* block_max, float lowest, float beyond,
                                        std::int32_t* ids) {
  return ids_between_body(z, width, block_max, lowest, beyond, ids);
}

/// bfloat16 as float.
POSTTRAIN_SIMD void widen_row(const c10::BFloat16* z, std::int64_t width, float* wide) {
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) wide[i] = simd::load(z, i);
}
inline void widen_row(const float* z, std::int64_t width, float* wide) {
  std::copy(z, z + width, wide);
}

}  // namespace posttrain::detail
