// SPDX-License-Identifier: Apache-2.0
// Dropout whose mask is a function of (seed, step, place in the model, sample, position, column):
// the same token is masked alike in every packing, split and recomputation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// A key for each row of a batch: of its sample and position.
inline std::vector<std::uint64_t> row_keys(const TokenBatch& batch) {
  std::vector<std::uint64_t> keys(static_cast<std::size_t>(batch.tokens()));
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    const Segment& node = batch.nodes[n];
    for (std::int64_t row = node.begin; row < node.end; ++row) {
      keys[static_cast<std::size_t>(row)] =
          mix_streams(static_cast<std::uint64_t>(batch.node_sample[n]),
                      static_cast<std::uint64_t>(node.position + row - node.begin));
    }
  }
  return keys;
}

struct KeyedDropout {
  double probability = 0.0;
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  std::shared_ptr<const std::vector<std::uint64_t>> rows{};

  /// x [T, n] with entries set to 0 with `probability` and the others divided by 1 − probability.
  /// The mask is its own transpose: the same call takes gradients back.
  Tensor apply(const Tensor& x, int place) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/dropout.ipp"
#endif
