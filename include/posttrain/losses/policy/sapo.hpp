// SPDX-License-Identifier: Apache-2.0
// The soft gate of SAPO (arXiv 2511.20347): −A · (4/τ) σ(τ (w − 1)), with τ by the sign of A.
//
// At w = 1 its slope is that of −A w; away from it the gradient fades instead of being cut.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct SapoTerm {
  double positive = 1.0;   // τ where A > 0
  double negative = 1.05;  // τ elsewhere

  constexpr void validate() const {
    if (!(positive > 0.0 && negative > 0.0)) {
      fail("posttrain: SapoTerm's temperatures must be positive");
    }
  }

  Tensor operator()(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    const auto gated = [&](double temperature) {
      return sigmoid((ratio - 1.0) * temperature) * (4.0 / temperature);
    };
    return -(gated(positive).where(advantage.gt(0.0), gated(negative)) * advantage);
  }
};

}  // namespace posttrain
