// SPDX-License-Identifier: Apache-2.0
// Activations and gated activations (SwiGLU, GeGLU; arXiv 2002.05202): act(gate) · up.
//
// Mathematics in float32 (double for double); half types round act(gate) before the product, as the
// modules of transformers do. The backward recomputes act from its input: nothing else is saved.
#pragma once

#include "posttrain/nn/activation.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// act(x): a contiguous tensor of x's shape and dtype.
Tensor activation(const Tensor& x, ActivationKind kind);

/// gate_up [T, 2F], gate first (rows may be strided): act(gate) · up, [T, F].
Tensor gated_activation(const Tensor& gate_up, ActivationKind kind);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/gated_activation.ipp"
#endif
