// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf_codec.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/storage/gguf_codec.hpp"

// A product and a sum in one rounding would not be the reference's bits.
#if defined(__clang__)
#pragma clang fp contract(off)
#define POSTTRAIN_TWO_ROUNDINGS
#else
#define POSTTRAIN_TWO_ROUNDINGS __attribute__((optimize("fp-contract=off")))
#endif

namespace posttrain {

namespace detail {

/// The fp16 number of these bits.
inline float half_value(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1FU, fraction = half & 0x3FFU;
  if (exponent == 0) {  // below the smallest normal number: fraction · 2⁻²⁴, exact in fp32
    const float value = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
  }
  const std::uint32_t wide = exponent == 0x1FU ? 0xFFU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23U) | (fraction << 13U));
}

inline float load_half(const std::uint8_t* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return half_value(bits);
}

/// 32 values of 4 bits: the low halves of the bytes first, then the high ones.
template <class Value>
void each_nibble(const std::uint8_t* q, Value value) {
  for (int i = 0; i < 16; ++i) {
    value(i, q[i] & 0x0F);
    value(i + 16, q[i] >> 4);
  }
}

/// A fifth bit of each of 32 values.
inline std::uint32_t load_high_bits(const std::uint8_t* from) {
  std::uint32_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

inline int with_high_bit(int low, std::uint32_t bits, int index) {
  return low | static_cast<int>(((bits >> static_cast<unsigned>(index)) & 1U) << 4U);
}

/// Scale and minimum of 6 bits, number `index` of 8, out of the 12 bytes of Q4_K and Q5_K.
inline std::array<float, 2> scale_and_minimum(const std::uint8_t* packed, int index) {
  const int i = index % 4;
  if (index < 4) return {float(packed[i] & 0x3F), float(packed[i + 4] & 0x3F)};
  return {float((packed[i + 8] & 0x0F) | ((packed[i] >> 2) & 0x30)),
          float((packed[i + 8] >> 4) | ((packed[i + 4] >> 2) & 0x30))};
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q4_0(const std::uint8_t* block, float* out) {
  const float d = load_half(block);
  each_nibble(block + 2, [&](int i, int q) { out[i] = d * static_cast<float>(q - 8); });
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q4_1(const std::uint8_t* block, float* out) {
  const float d = load_half(block), m = load_half(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(block[4 + i] & 0x0F) + m;
    out[i + 16] = d * static_cast<float>(block[4 + i] >> 4) + m;
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q5_0(const std::uint8_t* block, float* out) {
  const float d = load_half(block);
  const std::uint32_t high = load_high_bits(block + 2);
  each_nibble(block + 6, [&](int i, int q) {
    out[i] = d * static_cast<float>(with_high_bit(q, high, i) - 16);
  });
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q5_1(const std::uint8_t* block, float* out) {
  const float d = load_half(block), m = load_half(block + 2);
  const std::uint32_t high = load_high_bits(block + 4);
  const std::uint8_t* q = block + 8;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(with_high_bit(q[i] & 0x0F, high, i)) + m;
    out[i + 16] = d * static_cast<float>(with_high_bit(q[i] >> 4, high, i + 16)) + m;
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q8_0(const std::uint8_t* block, float* out) {
  const float d = load_half(block);
  for (int i = 0; i < 32; ++i)
    out[i] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q2_k(const std::uint8_t* block, float* out) {
  const std::uint8_t *scales = block, *q = block + 16;
  const float d = load_half(block + 80), minimum = load_half(block + 82);
  for (int i = 0; i < 256; ++i) {
    // Halves of 128 values share 32 bytes: two bits of each byte for each run of 32 values.
    const int scale = scales[i / 16];
    const int bits = (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const float dl = d * static_cast<float>(scale & 0x0F);
    const float ml = minimum * static_cast<float>(scale >> 4);
    out[i] = dl * static_cast<float>(bits) - ml;
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q3_k(const std::uint8_t* block, float* out) {
  const std::uint8_t *high = block, *q = block + 32, *scales = block + 96;
  const float d = load_half(block + 108);
  for (int s = 0; s < 16; ++s) {
    // Four low bits in the first 8 bytes, two high ones in the last 4.
    const int low = (scales[s % 8] >> (s / 8 * 4)) & 0x0F;
    const int top = (scales[8 + s % 4] >> (s / 4 * 2)) & 3;
    const float dl = d * static_cast<float>((low | (top << 4)) - 32);
    for (int i = s * 16; i < s * 16 + 16; ++i) {
      const int bits = (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      const int kept = (high[i % 32] >> (i / 32)) & 1;  // set: nothing is taken away
      out[i] = dl * static_cast<float>(bits - (kept ? 0 : 4));
    }
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q4_k(const std::uint8_t* block, float* out) {
  const float d = load_half(block), minimum = load_half(block + 2);
  const std::uint8_t* q = block + 16;
  for (int s = 0; s < 8; ++s) {
    const auto [scale, least] = scale_and_minimum(block + 4, s);
    const float dl = d * scale, ml = minimum * least;
    for (int i = 0; i < 32; ++i) {
      const int bits = (q[s / 2 * 32 + i] >> (s % 2 * 4)) & 0x0F;
      out[s * 32 + i] = dl * static_cast<float>(bits) - ml;
    }
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q5_k(const std::uint8_t* block, float* out) {
  const float d = load_half(block), minimum = load_half(block + 2);
  const std::uint8_t *high = block + 16, *q = block + 48;
  for (int s = 0; s < 8; ++s) {
    const auto [scale, least] = scale_and_minimum(block + 4, s);
    const float dl = d * scale, ml = minimum * least;
    for (int i = 0; i < 32; ++i) {
      const int bits = (q[s / 2 * 32 + i] >> (s % 2 * 4)) & 0x0F;
      out[s * 32 + i] = dl * static_cast<float>(bits | (((high[i] >> s) & 1) << 4)) - ml;
    }
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_q6_k(const std::uint8_t* block, float* out) {
  const std::uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float d = load_half(block + 208);
  for (int s = 0; s < 16; ++s) {
    const float dl = d * static_cast<float>(static_cast<std::int8_t>(scales[s]));
    for (int i = s * 16; i < s * 16 + 16; ++i) {
      const int half = i / 128, at = i % 128;  // 64 bytes of low bits, 32 of high ones each
      const int bits = (low[half * 64 + at % 64] >> (at / 64 * 4)) & 0x0F;
      const int top = (high[half * 32 + at % 32] >> (at / 32 * 2)) & 3;
      out[i] = dl * static_cast<float>((bits | (top << 4)) - 32);
    }
  }
}

POSTTRAIN_TWO_ROUNDINGS inline void write_iq4_nl(const std::uint8_t* block, float* out) {
  constexpr std::array<float, 16> kValues{-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
  const float d = load_half(block);
  each_nibble(block + 2, [&](int i, int q) { out[i] = d * kValues[static_cast<std::size_t>(q)]; });
}

/// The bits of the nearest fp16 number; of two as near, of the even one.
inline std::uint16_t nearest_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const std::uint32_t size = bits & 0x7FFFFFFFU;
  if (size >= 0x47800000U) {  // from 2¹⁶ on, infinity and NaN
    return static_cast<std::uint16_t>(sign | (size > 0x7F800000U ? 0x7E00U : 0x7C00U));
  }
  if (size < 0x38800000U) {  // below 2⁻¹⁴: fp32 rounds a sum to multiples of 2⁻²⁴
    const float sum = std::bit_cast<float>(size) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000U));
  }
  const std::uint32_t odd = (size >> 13U) & 1U;
  return static_cast<std::uint16_t>(sign | ((size - 0x38000000U + 0xFFFU + odd) >> 13U));
}

inline void store_half(float value, std::uint8_t* to) {
  const std::uint16_t bits = nearest_half(value);
  std::memcpy(to, &bits, sizeof bits);
}

/// The value of the largest magnitude, the first of several.
inline float extreme(const float* values, int count) {
  float largest = values[0];
  for (int i = 1; i < count; ++i) {
    if (std::abs(values[i]) > std::abs(largest)) largest = values[i];
  }
  return largest;
}

/// Codes of 32 values of at most `bits` bits, low halves first; a fifth bit in `high`.
inline void store_codes(const std::array<int, 32>& codes, std::uint8_t* low, std::uint8_t* high) {
  std::uint32_t fifth = 0;
  for (std::size_t i = 0; i < 32; ++i) fifth |= static_cast<std::uint32_t>(codes[i] >> 4) << i;
  for (std::size_t i = 0; i < 16; ++i) {
    low[i] = static_cast<std::uint8_t>((codes[i] & 0x0F) | ((codes[i + 16] & 0x0F) << 4));
  }
  if (high != nullptr) std::memcpy(high, &fifth, sizeof fifth);
}

/// Q4_0 and Q5_0: d = the extreme / -levels, codes from 0 to 2 levels - 1.
POSTTRAIN_TWO_ROUNDINGS inline void read_symmetric(const float* values, int levels,
                                                   std::uint8_t* block) {
  const float d = extreme(values, 32) / static_cast<float>(-levels);
  const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
  const float middle = static_cast<float>(levels) + 0.5F;
  std::array<int, 32> codes;
  for (std::size_t i = 0; i < 32; ++i) {
    const float scaled = values[i] * inverse;
    codes[i] = std::min(static_cast<int>(scaled + middle), 2 * levels - 1);
  }
  store_half(d, block);
  const bool fifth = levels == 16;
  store_codes(codes, block + (fifth ? 6 : 2), fifth ? block + 2 : nullptr);
}

/// Q4_1 and Q5_1: from the least value in equal steps to the largest one, code `top`.
POSTTRAIN_TWO_ROUNDINGS inline void read_from_least(const float* values, int top,
                                                    std::uint8_t* block) {
  const auto [least, most] = std::minmax_element(values, values + 32);
  const float d = (*most - *least) / static_cast<float>(top);
  const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
  std::array<int, 32> codes;
  for (std::size_t i = 0; i < 32; ++i) {
    const float scaled = (values[i] - *least) * inverse;
    codes[i] = std::min(static_cast<int>(scaled + 0.5F), top);
  }
  store_half(d, block);
  store_half(*least, block + 2);
  const bool fifth = top == 31;
  store_codes(codes, block + (fifth ? 8 : 4), fifth ? block + 4 : nullptr);
}

POSTTRAIN_TWO_ROUNDINGS inline void read_q8_0(const float* values, std::uint8_t* block) {
  const float d = std::abs(extreme(values, 32)) / 127.0F;
  const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
  store_half(d, block);
  for (int i = 0; i < 32; ++i) {
    const float rounded = std::round(values[i] * inverse);
    block[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(rounded));
  }
}

inline void check_gguf_blocks(const char* who, const io::GgufTypeInfo& info, std::size_t values,
                              std::size_t bytes) {
  const auto block = static_cast<std::size_t>(info.block),
             size = static_cast<std::size_t>(info.bytes);
  if (values % block == 0 && bytes == values / block * size) return;
  raise("{} expected whole blocks of {}, {} bytes for {} values, got {} bytes for {}", who,
        info.name, size, block, bytes, values);
}

template <class Write>
void write_blocks(const io::GgufTypeInfo& info, const std::uint8_t* from, std::span<float> out,
                  Write write) {
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); i += static_cast<std::size_t>(info.block)) {
    write(from, to + i);
    from += info.bytes;
  }
}

}  // namespace detail

POSTTRAIN_INLINE void dequantize_gguf(io::GgufType type, std::span<const std::byte> bytes,
                                      std::span<float> out) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  detail::check_gguf_blocks("dequantize_gguf", info, out.size(), bytes.size());
  if (out.empty()) return;  // whose address may be null, which memcpy forbids
  const auto* from = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto with = [&](auto write) { detail::write_blocks(info, from, out, write); };
  switch (type) {
    case io::GgufType::kF32:
      std::memcpy(out.data(), from, bytes.size());
      return;
    case io::GgufType::kF16:
      return with([](const std::uint8_t* half, float* to) { *to = detail::load_half(half); });
    case io::GgufType::kBF16:
      return with([](const std::uint8_t* half, float* to) {
        *to = std::bit_cast<float>(static_cast<std::uint32_t>(half[0] | (half[1] << 8)) << 16U);
      });
    case io::GgufType::kQ4_0:
      return with(detail::write_q4_0);
    case io::GgufType::kQ4_1:
      return with(detail::write_q4_1);
    case io::GgufType::kQ5_0:
      return with(detail::write_q5_0);
    case io::GgufType::kQ5_1:
      return with(detail::write_q5_1);
    case io::GgufType::kQ8_0:
      return with(detail::write_q8_0);
    case io::GgufType::kQ2_K:
      return with(detail::write_q2_k);
    case io::GgufType::kQ3_K:
      return with(detail::write_q3_k);
    case io::GgufType::kQ4_K:
      return with(detail::write_q4_k);
    case io::GgufType::kQ5_K:
      return with(detail::write_q5_k);
    case io::GgufType::kQ6_K:
      return with(detail::write_q6_k);
    case io::GgufType::kIQ4_NL:
      return with(detail::write_iq4_nl);
  }
}

POSTTRAIN_INLINE void quantize_gguf(io::GgufType type, std::span<const float> values,
                                    std::span<std::byte> out) {
  const io::GgufTypeInfo& info = io::gguf_type_info(type);
  detail::check_gguf_blocks("quantize_gguf", info, values.size(), out.size());
  if (values.empty()) return;
  auto* to = reinterpret_cast<std::uint8_t*>(out.data());
  const auto with = [&](auto read) {
    for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(info.block)) {
      read(values.data() + i, to);
      to += info.bytes;
    }
  };
  switch (type) {
    case io::GgufType::kF32:
      std::memcpy(to, values.data(), out.size());
      return;
    case io::GgufType::kF16:
      return with([](const float* from, std::uint8_t* half) { detail::store_half(*from, half); });
    case io::GgufType::kBF16:
      return with([](const float* from, std::uint8_t* half) {
        const auto bits = std::bit_cast<std::uint32_t>(*from);
        const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
        half[0] = static_cast<std::uint8_t>(rounded);
        half[1] = static_cast<std::uint8_t>(rounded >> 8U);
      });
    case io::GgufType::kQ4_0:
      return with([](const float* from, std::uint8_t* b) { detail::read_symmetric(from, 8, b); });
    case io::GgufType::kQ5_0:
      return with([](const float* from, std::uint8_t* b) { detail::read_symmetric(from, 16, b); });
    case io::GgufType::kQ4_1:
      return with([](const float* from, std::uint8_t* b) { detail::read_from_least(from, 15, b); });
    case io::GgufType::kQ5_1:
      return with([](const float* from, std::uint8_t* b) { detail::read_from_least(from, 31, b); });
    case io::GgufType::kQ8_0:
      return with(detail::read_q8_0);
    default:
      raise("quantize_gguf expected a type that is written, got {}", info.name);
  }
}

}  // namespace posttrain

#undef POSTTRAIN_TWO_ROUNDINGS
