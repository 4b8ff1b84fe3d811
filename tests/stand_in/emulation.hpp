// SPDX-License-Identifier: Apache-2.0
// Device code on the host: the same tokens that NVRTC compiles (tensor/cuda/device_code.hpp), once
// for each element and V, in namespaces of their own. To be included before any header with device
// code.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "stand_in/fibers.hpp"

#define PT_KERNEL inline
#define PT_FN inline
#define PT_SHARED static
#define PT_SYNC() ::posttrain::stand_in::Fibers::get().barrier()
#define PT_THREAD (::posttrain::stand_in::Fibers::get().thread())
#define PT_THREADS (::posttrain::stand_in::Fibers::get().threads())
#define PT_BLOCK (::posttrain::stand_in::Fibers::get().block())

namespace posttrain::cuda::emulated {

struct bf16 {
  unsigned short bits;
};
inline float float_of_bits(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned high_product(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
/// To the nearest, ties to even.
inline unsigned short bf16_bits(float value) {
  if (value != value) return 0x7fff;
  const unsigned bits = std::bit_cast<unsigned>(value);
  return static_cast<unsigned short>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Over the 32 threads of a warp, in the order in which exchanges with ever nearer lanes add up:
/// all of them get the same.
template <class Number, class Combine>
Number over_warp(Number value, const Combine& combine) {
  const Number* of_warp = stand_in::Fibers::get().exchanged(value);
  Number values[16];
  for (int lane = 0; lane < 16; ++lane) values[lane] = combine(of_warp[lane], of_warp[lane + 16]);
  for (int lanes = 8; lanes > 0; lanes /= 2) {
    for (int lane = 0; lane < lanes; ++lane) {
      values[lane] = combine(values[lane], values[lane + lanes]);
    }
  }
  return values[0];
}
template <class Number>
Number warp_sum(Number value) {
  return over_warp(value, [](Number a, Number b) { return a + b; });
}
inline float warp_max(float value) {
  return over_warp(value, [](float a, float b) { return a < b ? b : a; });
}

namespace float_1 {
using Element = float;
constexpr int V = 1;
}  // namespace float_1
namespace float_4 {
using Element = float;
constexpr int V = 4;
}  // namespace float_4
namespace bf16_1 {
using Element = bf16;
constexpr int V = 1;
}  // namespace bf16_1
namespace bf16_8 {
using Element = bf16;
constexpr int V = 8;
}  // namespace bf16_8

}  // namespace posttrain::cuda::emulated

// Used within namespace posttrain::cuda.
#define POSTTRAIN_DEVICE_CODE(name, ...)       \
  inline constexpr char name[] = #__VA_ARGS__; \
  namespace emulated::float_1 {                \
  __VA_ARGS__                                  \
  }                                            \
  namespace emulated::float_4 {                \
  __VA_ARGS__                                  \
  }                                            \
  namespace emulated::bf16_1 {                 \
  __VA_ARGS__                                  \
  }                                            \
  namespace emulated::bf16_8 {                 \
  __VA_ARGS__                                  \
  }
