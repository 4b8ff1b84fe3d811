// SPDX-License-Identifier: Apache-2.0
// Vectorised loops without -march: functions compiled for several instruction sets, one of which is
// chosen when the program starts, and the elementary functions that such loops inline.
//
// Write the loop as a template marked POSTTRAIN_ALWAYS_INLINE with `#pragma omp simd`, and call it
// from a non-template function marked POSTTRAIN_SIMD. clang does not link the clones of inline
// functions from several translation units: there POSTTRAIN_SIMD is empty and -march decides.
// Errors against double, tested over arguments of all magnitudes: exp and tanh 3e-7 relative, sqrt
// 1.2e-7, erf 6e-7 absolute.
#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#ifdef __clang__
// clang reports loops that the baseline instruction set cannot vectorise (a maximum of floats);
// the report comes after the headers, so that it cannot be silenced around each loop.
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#define POSTTRAIN_ALWAYS_INLINE inline __attribute__((always_inline))

#if defined(POSTTRAIN_SIMD_ARCH)  // one instruction set for all, "x86-64-v3": for measurements
#define POSTTRAIN_SIMD __attribute__((target("arch=" POSTTRAIN_SIMD_ARCH))) inline
#elif defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
// x86-64-v4 and not avx512f alone: loops on 16-bit elements need AVX-512BW.
#define POSTTRAIN_SIMD \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) inline
#else
#define POSTTRAIN_SIMD inline
#endif

namespace posttrain::simd {

POSTTRAIN_ALWAYS_INLINE float load(const float* x, std::int64_t i) { return x[i]; }
POSTTRAIN_ALWAYS_INLINE float load(const c10::BFloat16* x, std::int64_t i) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x[i].x) << 16);
}

/// float to bfloat16 bits, to nearest even; a NaN stays a NaN.
POSTTRAIN_ALWAYS_INLINE std::uint16_t to_bfloat16_bits(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  return static_cast<std::uint16_t>(x == x ? rounded : 0x7FC0U);
}

POSTTRAIN_ALWAYS_INLINE void store(float* x, std::int64_t i, float value) { x[i] = value; }
POSTTRAIN_ALWAYS_INLINE void store(c10::BFloat16* x, std::int64_t i, float value) {
  x[i].x = to_bfloat16_bits(value);
}

/// value rounded to the precision of the array's type.
POSTTRAIN_ALWAYS_INLINE float rounded(const float*, float value) { return value; }
POSTTRAIN_ALWAYS_INLINE float rounded(const c10::BFloat16*, float value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(to_bfloat16_bits(value)) << 16);
}

/// condition ? yes : no, by their bits: from a choice between numbers the compiler makes a branch
/// that does the work behind it once for each, and loops with branches do not vectorise for AVX2.
POSTTRAIN_ALWAYS_INLINE float choose(bool condition, float yes, float no) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(condition);
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(yes) & mask) |
                              (std::bit_cast<std::uint32_t>(no) & ~mask));
}

/// exp(x): Cody and Waite reduction, minimax polynomial of degree 6. 0 below −87.3 (no denormal
/// results), +inf above 88.72; NaN gives NaN.
POSTTRAIN_ALWAYS_INLINE float exp(float x) {
  constexpr float kLow = -87.33654F, kHigh = 88.72283F;
  // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
  constexpr float kMagic = 12582912.0F;
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
  // 2ⁿ in two factors: n = 128 does not fit one.
  const std::uint32_t power = std::bit_cast<std::uint32_t>(shifted) - 0x4B400000U;
  const auto half = static_cast<std::uint32_t>(static_cast<std::int32_t>(power) >> 1);
  const float scale1 = std::bit_cast<float>((half + 127U) << 23);
  const float scale2 = std::bit_cast<float>((power - half + 127U) << 23);
  // Beyond the limits all of that means nothing.
  const float limited =
      choose(x > kHigh, std::numeric_limits<float>::infinity(), p * scale1 * scale2);
  return choose(x < kLow, 0.0F, limited);
}

/// log(x) of a positive number that is not denormal: mantissa around 1, minimax polynomial.
POSTTRAIN_ALWAYS_INLINE float log(float x) {
  constexpr std::int32_t kRootHalf = 0x3F3504F3;  // the bits of √½
  const std::int32_t above = std::bit_cast<std::int32_t>(x) - kRootHalf;
  const auto n = static_cast<float>(above >> 23);
  const float f = std::bit_cast<float>((above & 0x007FFFFF) + kRootHalf) - 1.0F;
  float p = 7.0376836292e-2F;
  p = p * f - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const float square = f * f;
  const float small = f * square * p - 2.12194440e-4F * n - 0.5F * square;
  return f + small + 0.693359375F * n;
}

/// √x for x from 0 to 1e38 by Newton's iteration: std::sqrt sets errno, and loops with it do not
/// vectorise. Of denormal numbers to their order of magnitude only.
POSTTRAIN_ALWAYS_INLINE float sqrt(float x) {
  const std::int32_t bits = std::bit_cast<std::int32_t>(x);
  float inverse = std::bit_cast<float>(0x5F3759DF - (bits >> 1));
  const float half = 0.5F * x;
  inverse = inverse * (1.5F - half * inverse * inverse);
  inverse = inverse * (1.5F - half * inverse * inverse);
  inverse = inverse * (1.5F - half * inverse * inverse);
  const float root = x * inverse;
  return root + 0.5F * inverse * (x - root * root);
}

/// 1 / (1 + exp(−x)).
POSTTRAIN_ALWAYS_INLINE float sigmoid(float x) { return 1.0F / (1.0F + exp(-x)); }

/// tanh(x) = sign(x) (1 − 2 / (exp(2|x|) + 1)); an odd polynomial near 0, where that cancels.
POSTTRAIN_ALWAYS_INLINE float tanh(float x) {
  const float a = std::fabs(x);
  const float large = 1.0F - 2.0F / (exp(2.0F * a) + 1.0F);
  const float s = x * x;
  float p = -5.70498872745e-3F;
  p = p * s + 2.06390887954e-2F;
  p = p * s - 5.37397155531e-2F;
  p = p * s + 1.33314422036e-1F;
  p = p * s - 3.33332819422e-1F;
  const float small = x + x * s * p;
  return choose(a < 0.625F, small, std::copysign(large, x));
}

/// erf(x) after Abramowitz and Stegun 7.1.26.
POSTTRAIN_ALWAYS_INLINE float erf(float x) {
  const float a = std::fabs(x);
  const float t = 1.0F / (1.0F + 0.3275911F * a);
  float p = 1.061405429F;
  p = p * t - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  return std::copysign(1.0F - p * t * exp(-a * a), x);
}

}  // namespace posttrain::simd
