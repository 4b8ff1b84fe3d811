// SPDX-License-Identifier: Apache-2.0
// Definitions of length_desensitized.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/length_desensitized.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor tail_factors(const PairBatch& batch, double alpha) {
  std::vector<float> factors;
  for (std::int64_t pair = 0; pair < batch.items(); ++pair) {
    const auto* ends = &batch.offsets[static_cast<std::size_t>(2 * pair)];
    const std::int64_t shared = std::min(ends[1] - ends[0], ends[2] - ends[1]);
    for (int side = 0; side < 2; ++side) {
      for (std::int64_t i = 0; i < ends[side + 1] - ends[side]; ++i) {
        factors.push_back(i < shared ? 1.0F : static_cast<float>(alpha));
      }
    }
  }
  return at::tensor(factors, at::kFloat).to(batch.weight.device());
}

}  // namespace posttrain
