// SPDX-License-Identifier: Apache-2.0
// Definitions of nf4_codec.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>

#include "posttrain/base/compiled.hpp"
#include "posttrain/storage/cuda/nf4.hpp"
#include "posttrain/storage/impl/int8_codec.ipp"
#include "posttrain/storage/nf4_codec.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

inline constexpr std::array<float, 15> kNf4Midpoints = [] {
  std::array<float, 15> midpoints{};
  for (std::size_t i = 0; i < 15; ++i) midpoints[i] = (kNf4Values[i] + kNf4Values[i + 1]) / 2.0F;
  return midpoints;
}();

/// Smallest divisor of a block; the scale of a partial block of zeros.
inline constexpr float kTinyScale = 1e-38F;

struct BlocksNf4 {
  std::int64_t blocksize, numel;
  std::uint8_t* codes;
  float* absmax;
};

POSTTRAIN_ALWAYS_INLINE std::int32_t nf4_code(float scaled) {
  std::int32_t code = 0;
  for (std::size_t j = 0; j < 15; ++j) code += scaled > kNf4Midpoints[j] ? 1 : 0;
  return code;
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE void quantize_nf4_body(const BlocksNf4& b, const Element* x,
                                               std::int64_t begin, std::int64_t end) {
  constexpr int kPiece = 64;
  std::int32_t code[kPiece];
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t first = block * b.blocksize;
    const std::int64_t count = std::min(b.blocksize, b.numel - first);
    const bool partial = count < b.blocksize;
    const Element* from = x + first;
    std::uint8_t* to = b.codes + first / 2;
    const float largest = largest_magnitude(from, count);
    const float scale = std::max(largest, kTinyScale);
    // The peer multiplies whole blocks by the inverse and divides the partial one.
    b.absmax[block] = partial ? scale : largest;
    const float inverse = 1.0F / scale;
    for (std::int64_t i = 0; i < count; i += kPiece) {
      const std::int64_t piece = std::min<std::int64_t>(kPiece, count - i);
      if (partial) {
        for (std::int64_t k = 0; k < piece; ++k)
          code[k] = nf4_code(simd::load(from, i + k) / scale);
      } else {
#pragma omp simd
        for (std::int64_t k = 0; k < piece; ++k) {
          code[k] = nf4_code(simd::load(from, i + k) * inverse);
        }
      }
      if (piece % 2 != 0) code[piece] = 7;  // fills the last byte
      for (std::int64_t k = 0; k < piece; k += 2) {
        to[(i + k) / 2] = static_cast<std::uint8_t>(code[k] << 4 | code[k + 1]);
      }
    }
  }
}
POSTTRAIN_SIMD void quantize_nf4_blocks(const BlocksNf4& b, const float* x, std::int64_t begin,
                                        std::int64_t end) {
  quantize_nf4_body(b, x, begin, end);
}
POSTTRAIN_SIMD void quantize_nf4_blocks(const BlocksNf4& b, const c10::BFloat16* x,
                                        std::int64_t begin, std::int64_t end) {
  quantize_nf4_body(b, x, begin, end);
}

/// The 16 values of a block as the bits that are stored.
POSTTRAIN_ALWAYS_INLINE void scaled_values(const float*, float scale, std::uint32_t* bits) {
#pragma omp simd
  for (std::size_t i = 0; i < 16; ++i)
    bits[i] = std::bit_cast<std::uint32_t>(kNf4Values[i] * scale);
}
POSTTRAIN_ALWAYS_INLINE void scaled_values(const c10::BFloat16*, float scale, std::uint32_t* bits) {
#pragma omp simd
  for (std::size_t i = 0; i < 16; ++i) bits[i] = simd::to_bfloat16_bits(kNf4Values[i] * scale);
}

POSTTRAIN_ALWAYS_INLINE void put(float* out, std::int64_t i, std::uint32_t bits) {
  out[i] = std::bit_cast<float>(bits);
}
POSTTRAIN_ALWAYS_INLINE void put(c10::BFloat16* out, std::int64_t i, std::uint32_t bits) {
  out[i].x = static_cast<std::uint16_t>(bits);
}

#if defined(__GNUC__) && !defined(__clang__)
#define POSTTRAIN_HAS_VECTOR_SHUFFLE
using Bytes8 = std::uint8_t __attribute__((vector_size(8)));
using Words8 = std::uint32_t __attribute__((vector_size(32)));

/// 8 bytes of codes → 16 values, by shuffles of the table's two halves: look-ups in memory are
/// several times slower.
POSTTRAIN_ALWAYS_INLINE void shuffle16(const std::uint8_t* codes, const Words8& low,
                                       const Words8& high, float* out) {
  Bytes8 bytes;
  std::memcpy(&bytes, codes, 8);
  const Words8 pair = __builtin_convertvector(bytes, Words8);
  const Words8 even = __builtin_shuffle(low, high, pair >> 4);
  const Words8 odd = __builtin_shuffle(low, high, pair & 15);
  const Words8 first = __builtin_shuffle(even, odd, Words8{0, 8, 1, 9, 2, 10, 3, 11});
  const Words8 second = __builtin_shuffle(even, odd, Words8{4, 12, 5, 13, 6, 14, 7, 15});
  std::memcpy(out, &first, 32);
  std::memcpy(out + 8, &second, 32);
}
POSTTRAIN_ALWAYS_INLINE void shuffle16(const std::uint8_t* codes, const Words8& low,
                                       const Words8& high, c10::BFloat16* out) {
  Bytes8 bytes;
  std::memcpy(&bytes, codes, 8);
  const Words8 pair = __builtin_convertvector(bytes, Words8);
  const Words8 even = __builtin_shuffle(low, high, pair >> 4);
  const Words8 odd = __builtin_shuffle(low, high, pair & 15);
  const Words8 both = even | odd << 16;
  std::memcpy(out, &both, 32);
}
#endif

template <class Element>
POSTTRAIN_ALWAYS_INLINE void dequantize_nf4_body(const BlocksNf4& b, Element* out,
                                                 std::int64_t begin, std::int64_t end) {
  alignas(64) std::uint32_t table[16];
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t first = block * b.blocksize;
    const std::int64_t count = std::min(b.blocksize, b.numel - first);
    const std::uint8_t* codes = b.codes + first / 2;
    Element* to = out + first;
    scaled_values(to, b.absmax[block], table);
    std::int64_t i = 0;
#ifdef POSTTRAIN_HAS_VECTOR_SHUFFLE
    Words8 low, high;
    std::memcpy(&low, table, 32);
    std::memcpy(&high, table + 8, 32);
    for (; i + 16 <= count; i += 16) shuffle16(codes + i / 2, low, high, to + i);
#endif
    for (; i < count; ++i) put(to, i, table[(codes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15]);
  }
}
POSTTRAIN_SIMD void dequantize_nf4_blocks(const BlocksNf4& b, float* out, std::int64_t begin,
                                          std::int64_t end) {
  dequantize_nf4_body(b, out, begin, end);
}
POSTTRAIN_SIMD void dequantize_nf4_blocks(const BlocksNf4& b, c10::BFloat16* out,
                                          std::int64_t begin, std::int64_t end) {
  dequantize_nf4_body(b, out, begin, end);
}

inline QuantizedNf4 quantize_nf4_generic(const Tensor& x, std::int64_t blocksize) {
  const std::int64_t n = x.numel(), whole = n - n % blocksize;
  const Tensor flat = x.detach().reshape({-1}).to(at::kFloat);
  const Tensor rows = flat.narrow(0, 0, whole).view({-1, blocksize});
  Tensor absmax = rows.abs().amax(1);
  Tensor scaled = (rows * absmax.clamp_min(kTinyScale).reciprocal().unsqueeze(1)).view({-1});
  if (whole < n) {
    const Tensor rest = flat.narrow(0, whole, n - whole);
    const Tensor scale = rest.abs().amax().clamp_min(kTinyScale).unsqueeze(0);
    absmax = at::cat({absmax, scale});
    scaled = at::cat({scaled, rest / scale});
  }
  if (n % 2 != 0) scaled = at::constant_pad_nd(scaled, {0, 1});
  const Tensor code =
      at::bucketize(scaled.clamp(-1, 1), device_constant(kNf4Midpoints, x.device()), true)
          .to(at::kByte)
          .view({-1, 2});
  return {code.select(1, 0).mul(16).add(code.select(1, 1)), absmax};
}

inline void dequantize_nf4_generic(const Tensor& codes, const Tensor& absmax,
                                   std::int64_t blocksize, const Tensor& out) {
  const Tensor code = at::stack({codes.bitwise_right_shift(4), codes.bitwise_and(15)}, 1);
  const Tensor values = device_constant(kNf4Values, codes.device())
                            .index_select(0, code.view({-1}).to(at::kInt))
                            .narrow(0, 0, out.numel());
  const Tensor rows = block_rows(values, blocksize) * absmax.unsqueeze(1);
  out.copy_(rows.view({-1}).narrow(0, 0, out.numel()).view(out.sizes()));
}

}  // namespace detail

POSTTRAIN_INLINE QuantizedNf4 quantize_nf4(const Tensor& x, std::int64_t blocksize) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x),
      cuda::quantize_nf4<QuantizedNf4>(
          x.detach(), device_constant(detail::kNf4Midpoints, x.device()), blocksize));
  const Tensor flat = detail::flat_float(x);
  if (!detail::has_cpu_kernel(flat)) return detail::quantize_nf4_generic(x, blocksize);
  QuantizedNf4 q{at::empty({(x.numel() + 1) / 2}, at::kByte),
                 at::empty({(x.numel() + blocksize - 1) / blocksize}, at::kFloat)};
  const detail::BlocksNf4 blocks{blocksize, x.numel(), q.codes.mutable_data_ptr<std::uint8_t>(),
                                 q.absmax.mutable_data_ptr<float>()};
  detail::with_element_type(flat, [&](auto element) {
    const auto* values = flat.const_data_ptr<decltype(element)>();
    detail::for_blocks(x.numel(), blocksize, [&](std::int64_t begin, std::int64_t end) {
      detail::quantize_nf4_blocks(blocks, values, begin, end);
    });
  });
  return q;
}

POSTTRAIN_INLINE void dequantize_nf4(const Tensor& codes, const Tensor& absmax,
                                     std::int64_t blocksize, const Tensor& out) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(out) && codes.is_cuda(),
      cuda::dequantize_nf4(codes, absmax, device_constant(kNf4Values, codes.device()), out,
                           blocksize));
  if (!detail::has_cpu_kernel(out) || !codes.is_cpu()) {
    return detail::dequantize_nf4_generic(codes, absmax, blocksize, out);
  }
  const detail::BlocksNf4 blocks{blocksize, out.numel(),
                                 const_cast<std::uint8_t*>(codes.const_data_ptr<std::uint8_t>()),
                                 const_cast<float*>(absmax.const_data_ptr<float>())};
  detail::with_element_type(out, [&](auto element) {
    auto* values = out.mutable_data_ptr<decltype(element)>();
    detail::for_blocks(out.numel(), blocksize, [&](std::int64_t begin, std::int64_t end) {
      detail::dequantize_nf4_blocks(blocks, values, begin, end);
    });
  });
}

}  // namespace posttrain
