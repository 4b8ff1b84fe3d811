// SPDX-License-Identifier: Apache-2.0
// Options and results of attention, shared by the kernels and the plain implementation.
#pragma once

#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct AttentionOptions {
  double scale = 1;         // factor on q·k, usually 1/sqrt(D)
  double softcap = 0;       // s ← c·tanh(s / c) before masking; 0: none
  std::int64_t window = 0;  // keys at positions > own position − window are visible; 0: all
  bool tiles = false;       // by the tiles of training whatever the shape, so that bits are its own
};

/// Output [Tq, Hq, D] and the log-sum-exp of the scores [Hq, Tq] (−inf: no visible key).
struct AttentionResult {
  Tensor out, lse;
};

struct AttentionGradients {
  Tensor q, k, v;
};

}  // namespace posttrain
