// SPDX-License-Identifier: Apache-2.0
// The element types of safetensors files and their sizes. No tensors here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace posttrain::io {

enum class Dtype : std::uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kC64,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kF6E2M3,
  kF6E3M2,
  kF4
};

namespace detail {

struct DtypeEntry {
  Dtype dtype;
  std::string_view name;  // as the file spells it
  int bits;
};

inline constexpr std::array<DtypeEntry, 22> kDtypes{{
    {Dtype::kF64, "F64", 64},
    {Dtype::kF32, "F32", 32},
    {Dtype::kF16, "F16", 16},
    {Dtype::kBF16, "BF16", 16},
    {Dtype::kI64, "I64", 64},
    {Dtype::kI32, "I32", 32},
    {Dtype::kI16, "I16", 16},
    {Dtype::kI8, "I8", 8},
    {Dtype::kU64, "U64", 64},
    {Dtype::kU32, "U32", 32},
    {Dtype::kU16, "U16", 16},
    {Dtype::kU8, "U8", 8},
    {Dtype::kBool, "BOOL", 8},
    {Dtype::kC64, "C64", 64},
    {Dtype::kF8E4M3, "F8_E4M3", 8},
    {Dtype::kF8E5M2, "F8_E5M2", 8},
    {Dtype::kF8E8M0, "F8_E8M0", 8},
    {Dtype::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {Dtype::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {Dtype::kF6E2M3, "F6_E2M3", 6},
    {Dtype::kF6E3M2, "F6_E3M2", 6},
    {Dtype::kF4, "F4", 4},
}};

}  // namespace detail

/// The name in the file, "F32".
constexpr std::string_view dtype_name(Dtype dtype) {
  return detail::kDtypes[static_cast<std::size_t>(dtype)].name;
}

/// Bits of one element; 4 and 6 for the packed float types.
constexpr int dtype_bits(Dtype dtype) {
  return detail::kDtypes[static_cast<std::size_t>(dtype)].bits;
}

/// The type that a file calls `name`, or nothing.
constexpr std::optional<Dtype> find_dtype(std::string_view name) {
  for (const auto& entry : detail::kDtypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

}  // namespace posttrain::io
