// SPDX-License-Identifier: Apache-2.0
// Definitions of ranks.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/gloo.hpp"
#include "posttrain/distributed/meeting.hpp"
#include "posttrain/distributed/mpi.hpp"
#include "posttrain/distributed/nccl.hpp"
#include "posttrain/distributed/ranks.hpp"

namespace posttrain {

namespace detail {

inline std::chrono::milliseconds as_duration(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000.0 * seconds));
}

/// What moves the host's memory.
inline std::unique_ptr<Communicator> on_host(const Ranks& ranks, const RankPlace& place,
                                             const Meeting& meeting) {
  const std::chrono::milliseconds timeout = as_duration(ranks.timeout);
  const bool chosen = ranks.backend == Ranks::Backend::mpi;
  const bool left = ranks.backend != Ranks::Backend::gloo && !has_gloo() && has_mpi();
  return chosen || left ? mpi_communicator(place, meeting, timeout)
                        : gloo_communicator(place, meeting, timeout);
}

/// With the store that its connections were made through.
struct JoinedRanks {
  RankPlace place;
  Meeting meeting;
  std::unique_ptr<Communicator> communicator;

  JoinedRanks(const RankPlace& own, const Ranks& ranks, at::Device device)
      : place(own),
        meeting(place, as_duration(ranks.patience)),
        communicator(on_host(ranks, place, meeting)) {
    const bool by_device = ranks.backend == Ranks::Backend::automatic && device.is_cuda();
    if (by_device || ranks.backend == Ranks::Backend::nccl) {
      communicator = nccl_communicator(std::move(communicator), device);
    }
  }
};

inline std::shared_ptr<Communicator> checked(std::shared_ptr<Communicator> ranks,
                                             at::Device device) {
  if (!ranks->takes(device)) {
    raise(
        "{} ranks on {}, and their communicator moves nothing of it; hint: Ranks::Backend::nccl on "
        "GPUs, one device for all Trainers of a program",
        ranks->size(), device.str());
  }
  return ranks;
}

}  // namespace detail

POSTTRAIN_INLINE std::shared_ptr<Communicator> join_ranks(const Ranks& ranks, at::Device device,
                                                          const EnvironmentVariables& environment) {
  if (ranks.over) return detail::checked(ranks.over, device);
  const RankPlace place = ranks.place ? *ranks.place : rank_place(environment);
  if (place.size == 1) return std::make_shared<Single>();
  // Lives to the program's end: who closes a connection early would seem to be gone.
  static const auto joined = std::make_shared<detail::JoinedRanks>(place, ranks, device);
  return detail::checked({joined, joined->communicator.get()}, device);
}

}  // namespace posttrain
