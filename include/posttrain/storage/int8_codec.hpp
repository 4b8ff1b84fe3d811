// SPDX-License-Identifier: Apache-2.0
// Block-wise quantisation to 8 bits with a table of 256 values (arXiv 2110.02861), as bitsandbytes
// does it: x is flattened, each block divided by its largest magnitude and every value replaced by
// the index of the nearest entry.
//
// On the CPU bitsandbytes first rounds the scaled value to a grid of 65,536 points in [-1, 1], so
// that the nearest entry is one look-up; on a GPU it compares with the midpoints. Here the codes
// are those of its CPU form, bit for bit, on every device: a model is the same wherever it is
// loaded.
#pragma once

#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// The dynamic map: 256 ascending values, dense near zero. [256] float32 on the CPU, shared. Signed
/// for weights and first moments, unsigned for second moments.
const Tensor& dynamic_map(bool is_signed);

struct Quantized8Bit {
  Tensor codes;   // uint8, of the input's shape
  Tensor absmax;  // float32, [blocks]
};

/// With the dynamic map. x of any floating dtype; the last block may be partial.
Quantized8Bit quantize_8bit(const Tensor& x, bool is_signed, std::int64_t blocksize);

/// out ← map[codes] absmax; out of the codes' size, contiguous, in any floating dtype. A file may
/// bring a map of its own.
void dequantize_8bit(const Quantized8Bit& q, const Tensor& map, std::int64_t blocksize,
                     const Tensor& out);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/int8_codec.ipp"
#endif
