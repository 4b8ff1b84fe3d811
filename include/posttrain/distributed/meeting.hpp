// SPDX-License-Identifier: Apache-2.0
// Where the ranks of a run meet: texts by name that each of them reads and writes, in LibTorch's
// TCPStore, which torchrun or rank 0 serves.
//
//   const Meeting meeting(rank_place(EnvironmentVariables()));
//   → "3 of 4 ranks arrived at 10.0.0.1:29500 in 60 s; missing: 2; hint: …"
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/distributed/rank_place.hpp"

namespace posttrain {

class Meeting {
 public:
  /// Returns when all ranks are here. Throws after `patience`, naming those that are not.
  explicit Meeting(const RankPlace& place,
                   std::chrono::milliseconds patience = std::chrono::seconds(60));
  ~Meeting();
  Meeting(Meeting&&) noexcept;
  Meeting& operator=(Meeting&&) noexcept;

  void set(const std::string& name, std::string_view text) const;
  /// Nothing where no rank has set it.
  std::optional<std::string> find(const std::string& name) const;

  /// The same store over a connection of its own: one that waits keeps no other from its turn.
  Meeting again() const;

  /// What backends need of LibTorch.
  struct Store;
  const Store& store() const { return *store_; }

 private:
  explicit Meeting(std::unique_ptr<Store> store);

  std::unique_ptr<Store> store_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/meeting.ipp"
#endif
