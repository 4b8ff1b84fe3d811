// SPDX-License-Identifier: Apache-2.0
// Block-wise quantisation to NormalFloat4 (arXiv 2305.14314): 16 values, quantiles of a normal
// distribution, scaled by the largest magnitude of each block. Codes and scales are those of
// bitsandbytes bit for bit: two codes in a byte, the first in its upper half.
#pragma once

#include <array>
#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

inline constexpr std::array<float, 16> kNf4Values{
    -1.0F,
    -0.6961928009986877F,
    -0.5250730514526367F,
    -0.39491748809814453F,
    -0.28444138169288635F,
    -0.18477343022823334F,
    -0.09105003625154495F,
    0.0F,
    0.07958029955625534F,
    0.16093020141124725F,
    0.24611230194568634F,
    0.33791524171829224F,
    0.44070982933044434F,
    0.5626170039176941F,
    0.7229568362236023F,
    1.0F,
};

struct QuantizedNf4 {
  Tensor codes;   // uint8, [(n + 1) / 2]
  Tensor absmax;  // float32, [blocks]
};

/// x of any floating dtype, flattened row by row; the last block may be partial. A value halfway
/// between two entries takes the lower one.
QuantizedNf4 quantize_nf4(const Tensor& x, std::int64_t blocksize);

/// out ← value[code] absmax, computed in float32; out contiguous, in any floating dtype. blocksize
/// must be a multiple of 16.
void dequantize_nf4(const Tensor& codes, const Tensor& absmax, std::int64_t blocksize,
                    const Tensor& out);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/storage/impl/nf4_codec.ipp"
#endif
