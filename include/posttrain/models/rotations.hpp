// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of a batch's token positions, one pair of tables per rotary specification.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain::models {

/// Where each row stands: its position, and the length of the longest path of its tree (which only
/// `dynamic` scaling reads; taken per tree so that packing changes nothing).
struct TokenPositions {
  std::vector<std::int64_t> position;  // [T]
  std::vector<std::int64_t> length;    // [T]
  Tensor on_device{};  // [T] int64: `position` on the model's device, if it is there
};

TokenPositions positions_of(const std::vector<Segment>& nodes);

struct Rotation {
  Tensor cos, sin;  // [T, rotary_dim / 2] fp32
};

/// What a sequence's length means for its keys: sequences of one regime have the same rotary
/// frequencies, those of a sequence as long as the regime's number (0: of a short one). Frequencies
/// of `longrope` have two regimes, `dynamic` ones change with every token beyond the original
/// length.
std::int64_t rope_regime(const std::vector<RopeSpec>& ropes, std::int64_t length);

/// Angles are fp32 products as in transformers, whatever the compute dtype. On another device than
/// the CPU they are computed there, but for scaling that depends on the length.
Rotation rotation(const RopeSpec& spec, const TokenPositions& at, at::Device device);

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/impl/rotations.ipp"
#endif
