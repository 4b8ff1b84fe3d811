// SPDX-License-Identifier: Apache-2.0
// The ratio of each token, w_t = π / π_old (PPO, GRPO).
//
// A ratio is a functor that gives log w of each prediction from d = log π − log π_old; the loss
// clamps it to ± 20 and exponentiates. One that reads no other prediction says row_local.
#pragma once

#include "posttrain/fwd.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct TokenRatio {
  static constexpr bool row_local = true;

  Tensor operator()(const Tensor& log_ratio, const Tensor&, const RolloutBatch&) const {
    return log_ratio;
  }
};

}  // namespace posttrain
