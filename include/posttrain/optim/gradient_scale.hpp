// SPDX-License-Identifier: Apache-2.0
// What an optimizer multiplies gradients by, and whether it leaves everything as it is: the clip
// coefficient of a step, and a flag where something of the step is not finite.
//
// Both stay on the device that computed them, so that an optimizer step waits for nothing. An
// optimizer of one's own reads `factor()`, or takes a double instead of this class (one wait more):
//
//   void step(std::vector<ParameterGroup>& groups, double learning_rate, const GradientScale&
//   scale);
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class GradientScale {
 public:
  /// A factor that the host knows.
  GradientScale(double factor);

  /// Of tensors of one element on one device: gradients are multiplied by `factor`; where `skip` is
  /// 1 and not 0, the step leaves parameters and moments as they are.
  GradientScale(const Tensor& factor, const Tensor& skip);

  /// Both read, for an update on the host.
  GradientScale on_host() const;

  /// Without dimensions, on `device`: in double, and 1 or 0 in fp32.
  Tensor factor(at::Device device) const;
  Tensor skip(at::Device device) const;

  /// 1 / factor for LibTorch's fused optimizers, which divide; fp32; undefined where the host knows
  /// that the factor is 1.
  Tensor divisor(at::Device device) const;

 private:
  Tensor factor_, skip_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/gradient_scale.ipp"
#endif
