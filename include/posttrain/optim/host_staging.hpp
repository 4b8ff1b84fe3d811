// SPDX-License-Identifier: Apache-2.0
// Updates on the host of parameters that live on another device, so that an optimizer's moments can
// stay in host memory: pieces of master and gradient pass through two pairs of page-locked blocks.
// While the host updates a piece, the next one comes over and the master before goes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// Updates the parameters of a group from `begin` on: `master` and `gradient` lie on the host.
using HostUpdate = std::function<void(std::size_t group, const Tensor& master,
                                      const Tensor& gradient, std::int64_t begin)>;

/// The most parameters of a piece: whole blocks of every size; 64 MiB of fp32.
inline constexpr std::int64_t kHostPiece = std::int64_t{1} << 24;

/// Calls `update` for all parameters, group by group, and copies the masters of another device
/// back. A group on the host is updated in place, in one call; one of another device in pieces of
/// at most `piece` parameters, which costs one read and one upload each (tensor/transfer.hpp). An
/// empty group is left out. Host memory on the way: master and gradient of the two largest pieces,
/// 256 MiB in fp32 where groups are larger than `piece`, in LibTorch's cache of page-locked memory.
void update_on_host(std::vector<ParameterGroup>& groups, const HostUpdate& update,
                    std::int64_t piece = kHostPiece);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/optim/impl/host_staging.ipp"
#endif
