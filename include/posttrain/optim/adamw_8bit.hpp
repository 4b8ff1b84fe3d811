// SPDX-License-Identifier: Apache-2.0
// AdamW with both moments in 8 bits, block by block (arXiv 2110.02861; bitsandbytes' AdamW8bit).
//
// A block's moments are codes of the dynamic map (storage/int8_codec.hpp; signed for m, unsigned
// for v) times the largest magnitude of the block: 2 bytes and 8 / block_size per parameter instead
// of 8. One sweep reads them, makes AdamW's step on the fp32 master, and writes them again; the
// step itself sees the new moments unrounded. Differences from bitsandbytes:
//   - A value gets the nearest code by exact comparison. On the CPU bitsandbytes looks codes up in
//     a grid of 65,536 points in [-1, 1], which makes every v below 1.5e-5 of its block's largest
//     0.
//   - A v that is not 0 never becomes 0: where a gradient pauses, m / (√0 + ε) would be a jump.
//   - Which parameters keep fp32 moments is decided by group: see min_8bit_size.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

class AdamW8bitState;

struct AdamW8bit {
  using State = AdamW8bitState;

  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;          // λ; of matrices
  std::int64_t block_size = 256;      // moments that share a scale: a power of two, 64 … 4096
  std::int64_t min_8bit_size = 4096;  // groups of fewer parameters, and vectors, keep fp32 moments
  bool offload = false;               // moments in host memory, as AdamW::offload

  constexpr void validate() const {
    if (!(beta1 >= 0.0 && beta1 < 1.0)) fail("posttrain: AdamW8bit.beta1 must be in [0, 1)");
    if (!(beta2 >= 0.0 && beta2 < 1.0)) fail("posttrain: AdamW8bit.beta2 must be in [0, 1)");
    if (!(eps > 0.0)) fail("posttrain: AdamW8bit.eps must be positive");
    if (!(weight_decay >= 0.0)) fail("posttrain: AdamW8bit.weight_decay must not be negative");
    if (block_size < 64 || block_size > 4096 || (block_size & (block_size - 1)) != 0) {
      fail("posttrain: AdamW8bit.block_size must be a power of two from 64 to 4096");
    }
    if (min_8bit_size < 0) fail("posttrain: AdamW8bit.min_8bit_size must not be negative");
  }

  AdamW8bitState attach(const std::vector<ParameterGroup>& groups) const;
};

class AdamW8bitState {
 public:
  AdamW8bitState(const AdamW8bit& options, const std::vector<ParameterGroup>& groups);

  /// One update of the masters with gradients multiplied by `scale` (the clip coefficient).
  void step(std::vector<ParameterGroup>& groups, double learning_rate, const GradientScale& scale);

  /// Everything that a checkpoint must hold, as references to the live tensors.
  std::vector<NamedTensor> tensors() const;

 private:
  struct Moments {
    Tensor step;
    Tensor first, second;           // kept in fp32, or undefined
    Quantized8Bit first8, second8;  // kept in 8 bits, or undefined
  };

  AdamW8bit options_;
  std::vector<Moments> groups_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/adamw_8bit.ipp"
#endif
