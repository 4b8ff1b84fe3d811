// SPDX-License-Identifier: Apache-2.0
// How one call of a model is to run: what a Trainer's options ask of `hidden`.
#pragma once

#include <cstdint>
#include <functional>

#include "posttrain/nn/neftune.hpp"

namespace posttrain {

/// Everything off by default: evaluation and decoding call a model without one.
struct ModelCall {
  bool gradient_checkpointing = false;  // keep one tensor per layer, run the layer again backward
  NefTune neftune{};
  /// Called in the backward pass when the gradients of this layer (from 0) and of all behind it are
  /// there; a model may leave it out.
  std::function<void(std::int64_t)> layer_done{};
};

}  // namespace posttrain
