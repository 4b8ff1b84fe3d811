// SPDX-License-Identifier: Apache-2.0
// Names of the activation functions that the kernels know.
#pragma once

namespace posttrain {

/// silu: x·σ(x); gelu: x·Φ(x) (erf); gelu_tanh: its tanh approximation ("gelu_new",
/// "gelu_pytorch_tanh").
enum class ActivationKind { kSilu, kGelu, kGeluTanh };

}  // namespace posttrain
