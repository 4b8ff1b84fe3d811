// SPDX-License-Identifier: Apache-2.0
// The random numbers of base/rng.hpp on a device, many streams at once: the same bits.
#pragma once

#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// `mix_streams` of a number with each of [n] int64 (64 bits each), and the other way round.
Tensor mix_streams(std::uint64_t a, const Tensor& b);
Tensor mix_streams(const Tensor& a, const Tensor& b);

/// The first `count` words of Philox4x32(seed, stream) for each stream [n] int64: [n, count] int64
/// in [0, 2³²).
Tensor philox_words(std::uint64_t seed, const Tensor& streams, std::int64_t count);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/philox.ipp"
#endif
