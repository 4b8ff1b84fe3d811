// SPDX-License-Identifier: Apache-2.0
// The element types of GGUF files: whole blocks of values, each of a fixed number of bytes. No
// tensors here, and no conversion (storage/gguf_codec.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace posttrain::io {

/// Types that the library reads, by their number in the file (ggml_type of llama.cpp).
enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kBF16 = 30,
};

/// A type's layout: `block` consecutive values of a row in `bytes` bytes.
struct GgufTypeInfo {
  GgufType type;
  std::string_view name;  // as llama.cpp spells it
  std::int64_t block;
  std::int64_t bytes;
};

inline constexpr std::array<GgufTypeInfo, 14> kGgufTypes{{
    {GgufType::kF32, "F32", 1, 4},
    {GgufType::kF16, "F16", 1, 2},
    {GgufType::kQ4_0, "Q4_0", 32, 18},
    {GgufType::kQ4_1, "Q4_1", 32, 20},
    {GgufType::kQ5_0, "Q5_0", 32, 22},
    {GgufType::kQ5_1, "Q5_1", 32, 24},
    {GgufType::kQ8_0, "Q8_0", 32, 34},
    {GgufType::kQ2_K, "Q2_K", 256, 84},
    {GgufType::kQ3_K, "Q3_K", 256, 110},
    {GgufType::kQ4_K, "Q4_K", 256, 144},
    {GgufType::kQ5_K, "Q5_K", 256, 176},
    {GgufType::kQ6_K, "Q6_K", 256, 210},
    {GgufType::kIQ4_NL, "IQ4_NL", 32, 18},
    {GgufType::kBF16, "BF16", 1, 2},
}};

/// The type of this number in a file, or null.
constexpr const GgufTypeInfo* find_gguf_type(std::uint32_t number) {
  for (const GgufTypeInfo& info : kGgufTypes) {
    if (static_cast<std::uint32_t>(info.type) == number) return &info;
  }
  return nullptr;
}

constexpr const GgufTypeInfo& gguf_type_info(GgufType type) {
  return *find_gguf_type(static_cast<std::uint32_t>(type));
}

}  // namespace posttrain::io
