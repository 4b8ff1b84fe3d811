// SPDX-License-Identifier: Apache-2.0
// Which rank has gone: each writes a sign of life to the meeting and watches those of the others.
//
// A rank that works for long (a large checkpoint) is alive, one that was killed, stopped or cut off
// is not. One that ends by an error says so, and the others end with its reason.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "posttrain/distributed/meeting.hpp"
#include "posttrain/distributed/rank_place.hpp"

namespace posttrain {

class Pulse {
 public:
  /// A rank without a sign of life for `timeout` is gone.
  Pulse(const Meeting& meeting, const RankPlace& place, std::chrono::milliseconds timeout);
  /// Says goodbye: a rank that has done its work is not missed.
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// What is known to have happened to another rank ("rank 2 ended: out of memory"), or that this
  /// one reaches nobody any more; empty: nothing.
  std::string trouble() const;

  /// An operation failed: waits until it is known which rank went, three signs of life at most.
  std::string trouble_soon() const;

  /// Tells the others why this rank ends.
  void end_with(std::string_view reason) const;

 private:
  class Beating;
  std::shared_ptr<Beating> beating_;  // also its thread's
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/pulse.ipp"
#endif
