// SPDX-License-Identifier: Apache-2.0
// Collective operations on the CPU by Gloo, over TCP: LibTorch's own, which its wheels carry.
#pragma once

#include <chrono>
#include <memory>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/distributed/meeting.hpp"

namespace posttrain {

/// Whether this build can: LibTorch has Gloo, and the build says so (Meson, CMake and pkg-config
/// do; docs/ranks.md#without-meson).
bool has_gloo();

/// Connects all ranks of `place`. On one machine they talk over its loopback; else over the
/// interface that GLOO_SOCKET_IFNAME names, or the one that the host name resolves to. A rank that
/// gives no sign of life for `timeout` ends the operations of the others, with an error that names
/// it. Throws where there is no Gloo.
std::unique_ptr<Communicator> gloo_communicator(
    const RankPlace& place, const Meeting& meeting,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/gloo.ipp"
#endif
