// SPDX-License-Identifier: Apache-2.0
// Collective operations on the CPU by MPI, where a program is compiled with it (Meson's -Dmpi): on
// machines whose network MPI drives better than TCP does, and for a LibTorch without Gloo.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/distributed/meeting.hpp"

namespace posttrain {

/// Whether this build can: it was compiled with -DPOSTTRAIN_HAS_MPI (docs/ranks.md#mpi).
bool has_mpi();

/// All ranks that mpirun, or srun with an MPI, started; `place` has to be MPI's own. MPI is begun
/// where the program has not done so, and then ended with the process. A rank that gives no sign of
/// life for `timeout` ends the operations of the others, with an error that names it. bfloat16 is
/// added in float32. `most`: elements of one of MPI's operations, whose counts have 32 bits. Throws
/// where there is no MPI, or one that serves a single thread only.
std::unique_ptr<Communicator> mpi_communicator(
    const RankPlace& place, const Meeting& meeting,
    std::chrono::milliseconds timeout = std::chrono::seconds(30),
    std::int64_t most = std::int64_t{1} << 30);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/mpi.ipp"
#endif
