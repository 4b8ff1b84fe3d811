// SPDX-License-Identifier: Apache-2.0
// Frozen matrices in 8 bits: blocks of the dynamic map (arXiv 2110.02861), with the codes and
// scales of bitsandbytes' `quantize_blockwise`. 8.1 bits per parameter.
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/storage/int8_codec.hpp"

namespace posttrain {

/// One matrix [rows, in].
struct Int8Matrix {
  Quantized8Bit quantized;  // codes [rows, in]
  std::int64_t blocksize = 256;

  void write(const Tensor& out) const;
  std::int64_t rows() const;
  std::int64_t bytes() const;
};

struct Int8 {
  static constexpr bool dense = false;
  using Matrix = Int8Matrix;

  std::int64_t blocksize = 256;

  constexpr void validate() const {
    if (blocksize < 64 || blocksize > 4096 || (blocksize & (blocksize - 1)) != 0) {
      fail("posttrain: Int8.blocksize must be a power of two from 64 to 4096");
    }
  }

  Int8Matrix store(const Tensor& w) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/int8.ipp"
#endif
