// SPDX-License-Identifier: Apache-2.0
// Clipping by the global norm of all gradients.
#pragma once

#include <vector>

#include "posttrain/optim/gradient_scale.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain::optim {

/// L2 norm over all groups, a number in double on their device.
Tensor device_norm(const std::vector<ParameterGroup>& groups);

/// The same, read.
double global_norm(const std::vector<ParameterGroup>& groups);

/// The factor that brings gradients of norm `norm` to `max_norm` at most (0: no clipping);
/// torch.nn.utils.clip_grad_norm_'s coefficient. It is applied inside the optimizer's sweep.
double clip_coefficient(double norm, double max_norm);

/// The same without a read of the norm: a step of which `norm` or `loss` is not finite is skipped.
GradientScale clip_scale(const Tensor& norm, double max_norm, const Tensor& loss);

}  // namespace posttrain::optim

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/clip.ipp"
#endif
