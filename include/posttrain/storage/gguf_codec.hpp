// SPDX-License-Identifier: Apache-2.0
// Values of GGUF's block types (io/gguf_type.hpp), bit for bit as gguf-py and llama.cpp compute
// them: each operation is rounded to fp32 by itself. No tensors here.
//
//   Q4_0, IQ4_NL   d q              d, m: fp16, one for each block
//   Q4_1           d q + m
//   Q5_0, Q5_1     the same with a fifth bit of each value in four bytes of their own
//   Q8_0           d q
//   Q2_K           (d s) q - (dmin m)       s, m: 4 bits for each 16 values
//   Q3_K, Q6_K     (d s) q                  s: 6 and 8 bits for each 16 values
//   Q4_K, Q5_K     (d s) q - (dmin m)       s, m: 6 bits for each 32 values
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "posttrain/io/gguf_type.hpp"

namespace posttrain {

/// `bytes`, whole blocks, become `out`, as many values.
void dequantize_gguf(io::GgufType type, std::span<const std::byte> bytes, std::span<float> out);

/// Whether `quantize_gguf` knows a type: the K types and IQ4_NL, which others search for the best
/// scales, are only read.
constexpr bool is_quantizable_gguf(io::GgufType type) {
  return type <= io::GgufType::kQ8_0 || type == io::GgufType::kBF16;
}

/// Finite `values`, whole blocks, become `out`.
void quantize_gguf(io::GgufType type, std::span<const float> values, std::span<std::byte> out);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/gguf_codec.ipp"
#endif
