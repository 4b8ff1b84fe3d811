// SPDX-License-Identifier: Apache-2.0
// Definitions of gradient_scale.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/gradient_scale.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE GradientScale::GradientScale(double factor)
    : factor_(at::full({}, factor, at::kDouble)), skip_(at::zeros({}, at::kFloat)) {}

POSTTRAIN_INLINE GradientScale::GradientScale(const Tensor& factor, const Tensor& skip)
    : factor_(factor.detach().to(at::kDouble).reshape({})),
      skip_(skip.detach().to(at::kFloat).reshape({})) {}

POSTTRAIN_INLINE GradientScale GradientScale::on_host() const {
  const std::vector<double> both = read_numbers({factor_, skip_});
  return {at::full({}, both[0], at::kDouble), at::full({}, both[1], at::kFloat)};
}

POSTTRAIN_INLINE Tensor GradientScale::factor(at::Device device) const {
  return uploaded(factor_, device);
}

POSTTRAIN_INLINE Tensor GradientScale::skip(at::Device device) const {
  return uploaded(skip_, device);
}

POSTTRAIN_INLINE Tensor GradientScale::divisor(at::Device device) const {
  if (factor_.is_cpu() && factor_.item<double>() == 1.0) return {};
  return uploaded(at::reciprocal(factor_), device).to(at::kFloat);
}

}  // namespace posttrain
