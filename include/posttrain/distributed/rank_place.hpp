// SPDX-License-Identifier: Apache-2.0
// Which of a run's processes this one is, by the launcher that started it: torchrun, Open MPI,
// MPICH or Intel MPI, Slurm.
//
//   const RankPlace place = rank_place(EnvironmentVariables());
//   torchrun --no-python --nproc-per-node 4 ./program → rank 0 … 3 of 4
//
// The nearest launcher counts: torchrun goes before mpirun and srun, which may start one torchrun
// on each machine, and mpirun before srun, whose allocation it may run in. RANK and WORLD_SIZE
// without torchrun are taken as they are, too.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/base/environment_variables.hpp"

namespace posttrain {

struct RankPlace {
  std::int64_t rank = 0, size = 1;              // of all processes of the run
  std::int64_t local_rank = 0, local_size = 1;  // of those on this machine; size 0: not said
  std::string launcher{};  // torchrun, mpirun, srun, "RANK", "node_rank"; empty: none

  // Where the processes meet (TCPStore).
  std::string host{};
  std::int64_t port = 0;
  std::string run{};    // tells runs and their restarts apart that meet at one address
  bool served = false;  // torchrun serves the address; else rank 0 does

  bool on_one_machine() const { return local_size == size; }
};

/// One process where no launcher is seen. Throws where variables contradict each other, naming
/// both, where one is missing or no number, and where nothing says at which address to meet: `host`
/// and `port` do where they are given, but for torchrun's own store.
RankPlace rank_place(const EnvironmentVariables& environment, const std::string& host = "",
                     std::int64_t port = 0);

/// The first machine of a list of Slurm's: "gpu[07-09,12],login" → "gpu07".
std::string first_host(const std::string& nodes);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/rank_place.ipp"
#endif
