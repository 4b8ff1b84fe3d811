// SPDX-License-Identifier: Apache-2.0
// How a Trainer's ranks find and talk to each other; its last argument. Without it the launcher's
// environment decides alone, and a program that no launcher started is one rank, without cost.
//
//   Trainer trainer(model, NextToken{}, Full{}, data, AdamW{}, options, Ranks{.timeout = 60.0});
//   torchrun --no-python --nproc-per-node 4 ./program
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "posttrain/base/environment_variables.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/communicator.hpp"
#include "posttrain/distributed/rank_place.hpp"
#include "posttrain/distributed/sharding.hpp"

namespace posttrain {

struct Ranks {
  enum class Backend { automatic, gloo, mpi, nccl };
  using Sharding = posttrain::Sharding;

  Sharding sharding = Sharding::none;  // optimizer: moments, and masters of narrower weights
  // automatic: gloo on the CPU (mpi where LibTorch has no Gloo), and nccl beside it on GPUs.
  Backend backend = Backend::automatic;
  double timeout = 30.0;                   // seconds without a sign of life until a rank is gone
  double patience = 60.0;                  // seconds to wait for all ranks to arrive
  bool overlap = true;                     // gradients are added up while others are computed
  std::int64_t bucket = 64 * 1024 * 1024;  // bytes of gradients that one operation adds up
  std::optional<RankPlace> place{};        // of this process; none: by the launcher's environment
  std::shared_ptr<Communicator> over{};    // one's own, in place of a backend

  constexpr void validate() const {
    if (!(timeout > 0.0)) fail("posttrain: Ranks.timeout must be positive");
    if (!(patience > 0.0)) fail("posttrain: Ranks.patience must be positive");
    if (bucket < 1) fail("posttrain: Ranks.bucket must be at least 1 byte");
  }
};

/// The communicator of this process, by its place (distributed/rank_place.hpp, launch.hpp), for
/// tensors on `device` and on the host. All Trainers of a process share one, which the first of
/// them opens: the later ones' `Ranks` change nothing of it. Throws where it moves none of
/// `device`.
std::shared_ptr<Communicator> join_ranks(const Ranks& ranks, at::Device device = at::kCPU,
                                         const EnvironmentVariables& environment = {});

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/ranks.ipp"
#endif
