// SPDX-License-Identifier: Apache-2.0
// A sum over rows on CUDA: chunks of rows, each column of which one thread adds up, so that the
// order of the sum is the same in every run. The chunks' sums are added by whoever asked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "posttrain/tensor/cuda/kernel.hpp"

namespace posttrain::cuda {

struct RowChunks {
  std::int64_t count;  // of chunks
  std::int64_t tiles;  // blocks beside each other, which cover the columns
  int threads;

  RowChunks(const Variant& variant, std::int64_t rows, std::int64_t width)
      : count(std::clamp<std::int64_t>(rows / 32, 1, 256)),
        tiles(0),
        threads(variant.threads(width, 128)) {
    tiles = variant.blocks(width, threads);
  }

  /// Block b takes chunk b / tiles.
  Grid grid() const { return {count * tiles, threads}; }
};

}  // namespace posttrain::cuda
