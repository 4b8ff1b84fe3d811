// SPDX-License-Identifier: Apache-2.0
// How one call of a model is to run: what a Trainer's options ask of `hidden`.
#pragma once

#include "posttrain/nn/neftune.hpp"

namespace posttrain {

/// Everything off by default: evaluation and decoding call a model without one.
struct ModelCall {
  bool gradient_checkpointing = false;  // keep one tensor per layer, run the layer again backward
  NefTune neftune{};
};

}  // namespace posttrain
