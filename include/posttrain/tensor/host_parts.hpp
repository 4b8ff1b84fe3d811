// SPDX-License-Identifier: Apache-2.0
// The bytes of tensors that lie wherever, in order, for a file or a hash: each is copied to the
// host once, in parts, and while the host works on a part the next one comes over (host_ring.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// The most bytes of a part: 64 MiB.
inline constexpr std::int64_t kHostPart = std::int64_t{1} << 26;

/// Tensor i of so many; asked for once and in order, the next one before the last part of this one
/// is used.
using TensorSource = std::function<Tensor(std::size_t i)>;

/// The bytes of tensor i from `begin` on.
using PartUse =
    std::function<void(std::size_t i, std::int64_t begin, std::span<const std::byte> bytes)>;

/// Calls `use` for all bytes of `count` tensors, in order. A tensor on the host comes as it is, in
/// one part, and so does an empty one. One of a device comes in parts of at most `part` bytes (a
/// multiple of 32), each of them one read (tensor/transfer.hpp). That takes two page-locked blocks
/// of `part` bytes, or of `largest`, the size of the largest tensor in bytes, where that is less.
void for_each_part(std::size_t count, const TensorSource& source, std::int64_t largest,
                   const PartUse& use, std::int64_t part = kHostPart);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/host_parts.ipp"
#endif
