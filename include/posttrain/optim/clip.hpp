// SPDX-License-Identifier: Apache-2.0
// Clipping by the global norm of all gradients.
#pragma once

#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain::optim {

/// L2 norm over all groups.
double global_norm(const std::vector<ParameterGroup>& groups);

/// The factor that brings gradients of norm `norm` to `max_norm` at most (0: no clipping);
/// torch.nn.utils.clip_grad_norm_'s coefficient. It is applied inside the optimizer's sweep.
double clip_coefficient(double norm, double max_norm);

}  // namespace posttrain::optim

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/clip.ipp"
#endif
