// SPDX-License-Identifier: Apache-2.0
// Definitions of ranks.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <chrono>
#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/distributed/gloo.hpp"
#include "posttrain/distributed/meeting.hpp"
#include "posttrain/distributed/ranks.hpp"

namespace posttrain {

namespace detail {

inline std::chrono::milliseconds as_duration(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000.0 * seconds));
}

/// With the store that its connections were made through.
struct JoinedRanks {
  RankPlace place;
  Meeting meeting;
  std::unique_ptr<Communicator> communicator;

  JoinedRanks(const RankPlace& own, const Ranks& ranks)
      : place(own),
        meeting(place, as_duration(ranks.patience)),
        communicator(gloo_communicator(place, meeting, as_duration(ranks.timeout))) {}
};

}  // namespace detail

POSTTRAIN_INLINE std::shared_ptr<Communicator> join_ranks(const Ranks& ranks,
                                                          const EnvironmentVariables& environment) {
  if (ranks.over) return ranks.over;
  const RankPlace place = ranks.place ? *ranks.place : rank_place(environment);
  if (place.size == 1) return std::make_shared<Single>();
  // Lives to the program's end: who closes a connection early would seem to be gone.
  static const auto joined = std::make_shared<detail::JoinedRanks>(place, ranks);
  return {joined, joined->communicator.get()};
}

}  // namespace posttrain
