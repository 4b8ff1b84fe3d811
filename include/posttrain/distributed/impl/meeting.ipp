// SPDX-License-Identifier: Apache-2.0
// Definitions of meeting.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/distributed/meeting.hpp"

namespace posttrain {

struct Meeting::Store {
  c10::intrusive_ptr<c10d::Store> of_run;
};

namespace detail {

inline std::string arrival_of(std::int64_t rank) { return fmt::format("arrived/{}", rank); }

inline c10::intrusive_ptr<c10d::Store> connected(const RankPlace& place,
                                                 std::chrono::milliseconds patience) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = !place.served && place.rank == 0;
  options.waitWorkers = false;
  options.timeout = patience;
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.host, options);
  } catch (const std::exception& error) {
    if (options.isServer) {
      raise("rank 0 cannot serve the meeting at {}:{} ({}); hint: a free port in MASTER_PORT",
            place.host, place.port, error_text(error));
    }
    raise(
        "rank {} of {} reached nobody at {}:{} in {} s; hint: is rank 0 running, and is "
        "MASTER_ADDR its machine?",
        place.rank, place.size, place.host, place.port, patience.count() / 1000);
  }
}

}  // namespace detail

POSTTRAIN_INLINE Meeting::Meeting(const RankPlace& place, std::chrono::milliseconds patience)
    : store_(std::make_unique<Store>()) {
  const auto end = std::chrono::steady_clock::now() + patience;
  store_->of_run = c10::make_intrusive<c10d::PrefixStore>("posttrain/" + place.run,
                                                          detail::connected(place, patience));
  set(detail::arrival_of(place.rank), "");
  std::vector<std::string> all;
  for (std::int64_t rank = 0; rank < place.size; ++rank) all.push_back(detail::arrival_of(rank));
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  try {
    store_->of_run->wait(all, std::max(left, std::chrono::milliseconds(1)));
  } catch (const std::exception&) {
    std::vector<std::int64_t> missing;
    const auto is_here = [&](const std::string& arrival) {
      try {
        return find(arrival).has_value();
      } catch (const std::exception&) {  // rank 0, which serves the meeting, has given up already
        raise(
            "the meeting at {}:{} ended before all {} ranks arrived; hint: rank 0 says who is "
            "missing",
            place.host, place.port, place.size);
      }
    };
    for (std::int64_t rank = 0; rank < place.size; ++rank) {
      if (!is_here(all[static_cast<std::size_t>(rank)])) missing.push_back(rank);
    }
    if (missing.empty()) return;  // in the last moment
    raise(
        "{} of {} ranks arrived at {}:{} in {:g} s; missing: {}; hint: did they start, and do "
        "all of them have this address?",
        place.size - static_cast<std::int64_t>(missing.size()), place.size, place.host, place.port,
        static_cast<double>(patience.count()) / 1000.0, join(missing, ", "));
  }
}

POSTTRAIN_INLINE Meeting::Meeting(std::unique_ptr<Store> store) : store_(std::move(store)) {}
POSTTRAIN_INLINE Meeting::~Meeting() = default;
POSTTRAIN_INLINE Meeting::Meeting(Meeting&&) noexcept = default;
POSTTRAIN_INLINE Meeting& Meeting::operator=(Meeting&&) noexcept = default;

POSTTRAIN_INLINE void Meeting::set(const std::string& name, std::string_view text) const {
  store_->of_run->set(name, std::vector<std::uint8_t>(text.begin(), text.end()));
}

POSTTRAIN_INLINE std::optional<std::string> Meeting::find(const std::string& name) const {
  if (!store_->of_run->check({name})) return std::nullopt;
  const std::vector<std::uint8_t> bytes = store_->of_run->get(name);
  return std::string(bytes.begin(), bytes.end());
}

POSTTRAIN_INLINE Meeting Meeting::again() const {
  auto other = std::make_unique<Store>();
  other->of_run = store_->of_run->clone();
  return Meeting(std::move(other));
}

}  // namespace posttrain
