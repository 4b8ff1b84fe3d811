// SPDX-License-Identifier: Apache-2.0
// Which random number a token is drawn with: a pure function of who is drawing and where
// (base/rng.hpp).
//
// A continuation therefore depends neither on its batch, its slot in it or what else is generated,
// nor on what was drawn before: a rollout can be resumed at any token, and a token drawn again.
#pragma once

#include <cstdint>

#include "posttrain/base/rng.hpp"

namespace posttrain {

/// One continuation among all of a run: the run's seed, the epoch (or step) of the rollout, the
/// prompt's index in the data and the number of the sample in the prompt's group.
struct DrawKey {
  std::uint64_t seed = 0, epoch = 0, prompt = 0, sample = 0;
};

/// Uniform in [0, 1), a multiple of 2^-53. `position` counts the sample's ids before the new one.
constexpr double uniform_at(const DrawKey& key, std::int64_t position) {
  std::uint64_t stream = stream_of("generate");
  for (const std::uint64_t part : {key.epoch, key.prompt, key.sample}) {
    stream = mix_streams(stream, part);
  }
  const Philox4x32::Block block =
      Philox4x32::block(key.seed, stream, static_cast<std::uint64_t>(position));
  const std::uint64_t word = block[0] | (std::uint64_t{block[1]} << 32);
  return static_cast<double>(word >> 11) * 0x1.0p-53;
}

}  // namespace posttrain
