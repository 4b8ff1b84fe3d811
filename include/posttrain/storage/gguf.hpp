// SPDX-License-Identifier: Apache-2.0
// Frozen matrices as a GGUF file stores them (io/gguf_type.hpp): llama.cpp's blocks, 2.6 to 32 bits
// per parameter.
//
// A matrix that the model's file holds in blocks (Q4_0 … Q6_K, IQ4_NL) keeps its bytes. Every other
// one - of a folder, in F32, F16 or BF16, or changed by a policy (PiSSA's rest) - becomes `type`;
// or F16, where its rows are not whole blocks, as llama.cpp's converter does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/storage/gguf_codec.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

using io::GgufType;

/// One matrix [rows, in].
struct GgufMatrix {
  GgufType type = GgufType::kF32;
  std::int64_t row_count = 0, columns = 0;
  Tensor blocks;  // uint8 [rows, bytes of a row], on the CPU

  void write(const Tensor& out) const;
  std::int64_t rows() const { return row_count; }
  std::int64_t bytes() const;
};

struct Gguf {
  static constexpr bool dense = false;
  using Matrix = GgufMatrix;

  GgufType type = GgufType::kQ8_0;

  constexpr void validate() const {
    if (!is_quantizable_gguf(type)) {
      fail("posttrain: Gguf.type must be F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0");
    }
  }

  GgufMatrix store(const Tensor& w) const;
};

/// A matrix as a model's `load_packed` gives it, in a GGUF file's blocks: `blocks`, uint8 [rows,
/// bytes of a row], under "" and its type.
PackedTensors pack_gguf(GgufType type, const Tensor& blocks);

/// The matrix again, in memory of its own; nothing if it is packed otherwise. `name` is for errors.
std::optional<GgufMatrix> unpack_gguf(const std::string& name, const PackedTensors& packed);

/// The values of whole blocks into a tensor of as many elements, of any floating dtype and device.
void dequantize_gguf(GgufType type, std::span<const std::byte> blocks, const Tensor& out);

/// Values (any floating dtype and device) as whole blocks; one that is not finite is an error.
void quantize_gguf(GgufType type, const Tensor& values, std::span<std::byte> out);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/gguf.ipp"
#endif
