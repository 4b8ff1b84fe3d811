// SPDX-License-Identifier: Apache-2.0
// How many processes a run has, on which machines, and where they meet: torchrun's parameters, by
// the rules of Training Hub.
//
//   const EnvironmentVariables own;
//   const Launch launch = resolve_launch({.nproc_per_node = 8}, own, /*gpus=*/8);
//   const RankPlace place = place_in(launch, own);
//   → nproc_per_node = 8 asks for 8 processes on this machine, and no launcher started them
//
// A parameter that is not given comes from the environment (PET_NPROC_PER_NODE, PET_NNODES, …, as
// torchrun reads them; MASTER_ADDR and MASTER_PORT also without PET_), else it has its default.
// Unlike in Training Hub, what cannot be meant is an error: a rank beyond the machines, a port
// without an address or beside an endpoint, an endpoint that is no host:port.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/environment_variables.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/distributed/rank_place.hpp"

namespace posttrain {

/// A parameter that is given as a number or as a text; by default not at all.
class LaunchValue {
 public:
  LaunchValue() = default;
  template <std::integral Number>
  requires(!std::same_as<Number, bool>) LaunchValue(Number number)
      : text_(std::to_string(number)) {}
  LaunchValue(const char* text) : text_(text) {}
  LaunchValue(std::string_view text) : text_(text) {}
  LaunchValue(const std::string& text) : text_(text) {}

  /// The number or the text; empty: it is not given.
  const std::string& text() const { return text_; }
  std::string description() const { return text_; }

 private:
  std::string text_;
};

/// What a call says of its launch.
struct LaunchOptions {
  LaunchValue nproc_per_node{};   // processes on each machine; "auto", "gpu": one for each GPU; 1
  LaunchValue nnodes{};           // machines; 1
  LaunchValue node_rank{};        // number of this machine, from 0; 0
  LaunchValue rdzv_id{};          // name of the run, the same on all machines; 0
  LiteralString rdzv_endpoint{};  // where the processes meet, "host:port"; or else
  LiteralString master_addr{};    // the host
  LaunchValue master_port{};      // and its port
};

/// Where processes meet.
struct Rendezvous {
  std::string id = "0";
  std::string host{};     // empty: nothing says it, and one machine needs none
  std::int64_t port = 0;  // 0: nothing says it
};

struct Launch {
  std::int64_t processes = 1;  // on each machine
  std::int64_t nodes = 1;      // machines
  std::int64_t rank = 0;       // of this machine
  Rendezvous rendezvous{};
  std::vector<std::string> notes{};  // lines for the user: what was set and does not act

  /// What was given as an argument, and so has to be what a launcher did.
  struct Given {
    bool processes = false, nodes = false, rank = false, id = false;
  };
  Given given{};
};

/// Depends on its arguments alone. `gpus`: how many this process sees, for "auto" and "gpu". Throws
/// for what contradicts itself and for what is not of its kind.
Launch resolve_launch(const LaunchOptions& given, const EnvironmentVariables& environment,
                      std::int64_t gpus);

/// Which of the launch's processes this one is: by the launcher that started it (torchrun, mpirun,
/// srun: distributed/rank_place.hpp), which must have started what was given, at the launch's
/// address and under its `rdzv_id` where the launcher has none of its own; without a launcher by
/// `node_rank`, with one process on each machine. Throws where several processes on a machine are
/// asked for and nobody started them, and where nothing says at which address machines meet.
RankPlace place_in(const Launch& launch, const EnvironmentVariables& environment);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/launch.ipp"
#endif
