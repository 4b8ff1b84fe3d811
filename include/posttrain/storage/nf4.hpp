// SPDX-License-Identifier: Apache-2.0
// Frozen matrices in 4 bits: NormalFloat4 in blocks, the blocks' scales themselves in 8 bits
// ("double quantisation"), of QLoRA (arXiv 2305.14314).
//
//   absmax ≈ map[code] nested_absmax + offset,  offset = mean(absmax),  one nested_absmax for 256
//
// Codes, scales and files (storage/bitsandbytes.hpp) are those of bitsandbytes bit for bit. 4.13
// bits per parameter, 4.5 without double quantisation.
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// One matrix [rows, in].
struct Nf4Matrix {
  static constexpr std::int64_t kNestedBlocksize = 256;

  std::int64_t row_count = 0, columns = 0;
  std::int64_t blocksize = 64;
  Tensor codes;          // uint8, two in a byte
  Tensor absmax;         // float32 per block; or uint8 codes, if nested
  Tensor nested_absmax;  // float32 per 256 blocks; undefined: not nested
  Tensor nested_map;     // [256] of the nested codes
  float offset = 0.0F;

  bool nested() const { return nested_absmax.defined(); }
  /// The blocks' scales in float32.
  Tensor scales() const;
  void write(const Tensor& out) const;
  std::int64_t rows() const { return row_count; }
  std::int64_t bytes() const;
};

struct Nf4 {
  static constexpr bool dense = false;
  using Matrix = Nf4Matrix;

  bool double_quant = true;
  std::int64_t blocksize = 64;

  constexpr void validate() const {
    if (blocksize < 32 || blocksize > 4096 || (blocksize & (blocksize - 1)) != 0) {
      fail("posttrain: Nf4.blocksize must be a power of two from 32 to 4096");
    }
  }

  Nf4Matrix store(const Tensor& w) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/nf4.ipp"
#endif
