// SPDX-License-Identifier: Apache-2.0
// The policy gradient without a bound (REINFORCE), weighted by importance: −w A.
//
// At the first update w = 1, and its gradient is −A ∂ log p. Later ones are unbiased and of any
// variance.
#pragma once

#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct Reinforce {
  Tensor operator()(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    return -(ratio * advantage);
  }
};

}  // namespace posttrain
