// SPDX-License-Identifier: Apache-2.0
// Soft-capped logits: c · tanh(z / c) (Gemma 2, arXiv 2408.00118).
#pragma once

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// z of any shape, c > 0. Keeps z, not the result, because the scores' backward overwrites the
/// latter.
Tensor soft_cap(const Tensor& z, double c);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/soft_cap.ipp"
#endif
