// SPDX-License-Identifier: Apache-2.0
// Definitions of rank_place.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <unistd.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/distributed/rank_place.hpp"

namespace posttrain {

namespace detail {

/// The variables of one launcher.
struct LauncherVariables {
  const char* launcher;
  const char *rank, *size, *local_rank, *local_size;
  const char* machines = "";  // a number of machines
};

inline constexpr LauncherVariables kTorchrun{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK",
                                             "LOCAL_WORLD_SIZE"};
inline constexpr LauncherVariables kOpenMpi{"mpirun", "OMPI_COMM_WORLD_RANK",
                                            "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                                            "OMPI_COMM_WORLD_LOCAL_SIZE"};
inline constexpr LauncherVariables kMpich{"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID",
                                          "MPI_LOCALNRANKS"};
inline constexpr LauncherVariables kSlurm{
    "srun", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "", "SLURM_STEP_NUM_NODES"};

inline std::int64_t variable_as_number(const char* name, const std::string& text,
                                       std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < least || number > most) {
    raise("expected {} to be a whole number from {} to {}, got {}", name, least, most, text);
  }
  return number;
}

/// Ranks fit the int of every library that moves bytes.
inline constexpr std::int64_t kMostRanks = 1 << 20;

/// What one launcher's variables say; nothing where it did not start this process. A launcher that
/// says only one of rank and size is an error.
inline std::optional<RankPlace> place_by(const LauncherVariables& names,
                                         const EnvironmentVariables& environment) {
  const auto rank = environment.find(names.rank), size = environment.find(names.size);
  if (!rank && !size) return std::nullopt;
  if (!rank || !size) {
    raise("expected {} and {} together, got {} = {} alone; hint: set both or none", names.rank,
          names.size, rank ? names.rank : names.size, rank ? *rank : *size);
  }
  RankPlace place;
  place.launcher = names.launcher;
  place.size = variable_as_number(names.size, *size, 1, kMostRanks);
  place.rank = variable_as_number(names.rank, *rank, 0, kMostRanks);
  if (place.rank >= place.size) {
    raise("{} = {} and {} = {} contradict each other; hint: ranks are counted from 0", names.rank,
          place.rank, names.size, place.size);
  }
  place.local_size = 0;
  if (const auto found = environment.find(names.local_size)) {
    place.local_size = variable_as_number(names.local_size, *found, 1, place.size);
  }
  if (environment.find(names.machines).value_or("") == "1") place.local_size = place.size;
  if (const auto found = environment.find(names.local_rank)) {
    place.local_rank = variable_as_number(names.local_rank, *found, 0, place.size - 1);
    if (place.local_size > 0 && place.local_rank >= place.local_size) {
      raise("{} = {} and {} = {} contradict each other; hint: ranks are counted from 0",
            names.local_rank, place.local_rank, names.local_size, place.local_size);
    }
  } else if (place.local_size == place.size) {
    place.local_rank = place.rank;
  } else {
    place.local_size = 0;
  }
  return place;
}

/// A port of 20000 … 39999, the same for all that know the text.
inline std::int64_t port_of(std::string_view text) {
  ContentHash hash;
  hash.add(text);
  return 20000 + static_cast<std::int64_t>(hash.value()[0] % 20000);
}

/// MASTER_ADDR and MASTER_PORT, where they are set.
inline void read_address(const EnvironmentVariables& environment, RankPlace& place) {
  const auto host = environment.find("MASTER_ADDR"), port = environment.find("MASTER_PORT");
  if (host) place.host = *host;
  if (port) place.port = variable_as_number("MASTER_PORT", *port, 1, 65535);
}

/// One launcher's place, with the address that it gives or that can be derived.
inline RankPlace with_address(RankPlace place, const EnvironmentVariables& environment,
                              const std::string& host, std::int64_t port) {
  read_address(environment, place);
  if (place.launcher != "torchrun") {
    if (!host.empty()) place.host = host;
    if (port > 0) place.port = port;
  }
  const auto variable = [&](const char* name) { return environment.find(name).value_or(""); };
  if (place.launcher == "torchrun") {
    place.run = variable("TORCHELASTIC_RUN_ID") + "/" + variable("TORCHELASTIC_RESTART_COUNT");
    place.served = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  } else if (place.launcher == "srun") {
    place.run = variable("SLURM_JOB_ID") + "/" + variable("SLURM_STEP_ID");
    if (place.host.empty()) place.host = first_host(variable("SLURM_STEP_NODELIST"));
    if (place.port == 0) place.port = port_of(place.run);
  } else if (place.launcher == "mpirun") {
    // All processes of one machine have mpirun or its daemon as parent.
    place.run = fmt::format("{}/{}", variable("PMIX_NAMESPACE"), ::getppid());
    if (place.on_one_machine()) {
      if (place.host.empty()) place.host = "127.0.0.1";
      if (place.port == 0) place.port = port_of(place.run);
    } else {
      place.run = variable("PMIX_NAMESPACE");
    }
  }
  if (place.size > 1 && (place.host.empty() || place.port == 0)) {
    raise(
        "{} started {} processes and nothing says where they meet; hint: set MASTER_ADDR to the "
        "machine of rank 0 and MASTER_PORT to a free port there",
        place.launcher, place.size);
  }
  return place;
}

}  // namespace detail

POSTTRAIN_INLINE std::string first_host(const std::string& nodes) {
  const std::size_t end = nodes.find_first_of("[,");
  std::string host = nodes.substr(0, end);
  if (end == nodes.npos || nodes[end] == ',') return host;
  const std::size_t close = nodes.find(']', end);
  if (close == nodes.npos) raise("expected a list of machines like gpu[07-09,12], got {}", nodes);
  const std::string_view inside = std::string_view(nodes).substr(end + 1, close - end - 1);
  host += inside.substr(0, inside.find_first_of(",-"));
  const std::size_t after = nodes.find(',', close);
  return host + nodes.substr(close + 1, after == nodes.npos ? after : after - close - 1);
}

POSTTRAIN_INLINE RankPlace rank_place(const EnvironmentVariables& environment,
                                      const std::string& host, std::int64_t port) {
  using namespace detail;
  std::optional<RankPlace> by_hand = place_by(kTorchrun, environment);
  if (by_hand && environment.find("TORCHELASTIC_RUN_ID")) {
    return with_address(*std::move(by_hand), environment, host, port);
  }
  const auto open_mpi = place_by(kOpenMpi, environment), mpich = place_by(kMpich, environment);
  // A script that sbatch runs was started once, in no step.
  const auto slurm =
      environment.find("SLURM_STEP_NODELIST") ? place_by(kSlurm, environment) : std::nullopt;
  // srun speaks PMI, too; an mpirun beneath it has other numbers.
  const bool is_srun = slurm && mpich && slurm->rank == mpich->rank && slurm->size == mpich->size;
  const LauncherVariables* names = nullptr;
  std::optional<RankPlace> place;
  if (open_mpi) {
    place = open_mpi, names = &kOpenMpi;
  } else if (mpich && !is_srun) {
    place = mpich, names = &kMpich;
  } else if (slurm) {
    place = slurm, names = &kSlurm;
  }
  if (!place && !by_hand) return {};
  if (!place) {
    by_hand->launcher = kTorchrun.rank;
    return with_address(*std::move(by_hand), environment, host, port);
  }
  if (by_hand && by_hand->rank != place->rank) {
    raise("RANK = {} and {} = {} contradict each other; hint: unset RANK and WORLD_SIZE",
          by_hand->rank, names->rank, place->rank);
  }
  if (by_hand && by_hand->size != place->size) {
    raise("WORLD_SIZE = {} and {} = {} contradict each other; hint: unset RANK and WORLD_SIZE",
          by_hand->size, names->size, place->size);
  }
  return with_address(*std::move(place), environment, host, port);
}

}  // namespace posttrain
