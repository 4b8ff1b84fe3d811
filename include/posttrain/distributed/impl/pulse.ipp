// SPDX-License-Identifier: Apache-2.0
// Definitions of pulse.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/pulse.hpp"

namespace posttrain {

/// A thread with a connection of its own to the meeting. Where the network is cut an answer may
/// never come, and nothing ends the wait for it: then the thread is left behind.
class Pulse::Beating {
 public:
  using Clock = std::chrono::steady_clock;

  Beating(const Meeting& meeting, const RankPlace& place, std::chrono::milliseconds timeout)
      : meeting_(meeting.again()),
        place_(place),
        timeout_(timeout),
        interval_(std::clamp(timeout / 15, std::chrono::milliseconds(20),
                             std::chrono::milliseconds(2000))),
        seen_(static_cast<std::size_t>(place.size)) {}

  static std::shared_ptr<Beating> started(std::shared_ptr<Beating> beating) {
    beating->thread_ = std::thread([beating] { beating->run(); });
    return beating;
  }

  void stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    // Goodbyes are waited for five seconds.
    constexpr auto kLongest = std::chrono::seconds(10);
    const bool ended =
        changed_.wait_for(lock, cut_off() ? Clock::duration(0) : kLongest, [&] { return ended_; });
    lock.unlock();
    ended ? thread_.join() : thread_.detach();
  }

  std::string trouble() const {
    const std::scoped_lock lock(mutex_);
    return known();
  }

  /// Waits for a trouble to be known, until no rank is silent for three signs of life.
  std::string trouble_soon() const {
    std::unique_lock lock(mutex_);
    hurried_ = true;
    changed_.wait_for(lock, 5 * interval_ + std::chrono::seconds(1),
                      [&] { return !trouble_.empty(); });
    return known();
  }

  void end_with(std::string_view reason) const {
    {
      const std::scoped_lock lock(mutex_);
      if (cut_off()) return;
    }
    try {
      meeting_.set(end_of(place_.rank), reason);
    } catch (const std::exception&) {
      // Who serves the meeting may be the one that went.
    }
  }

 private:
  struct Seen {
    std::string sign{};
    Clock::time_point at = Clock::now();
    bool left = false;  // with its work done
  };

  static std::string sign_of(std::int64_t rank) { return fmt::format("alive/{}", rank); }
  static std::string end_of(std::int64_t rank) { return fmt::format("ended/{}", rank); }
  static constexpr std::string_view kGoodbye = "goodbye";

  /// Whether an answer is overdue. Under the lock.
  bool cut_off() const { return !ended_ && Clock::now() - answered_ > timeout_ + 2 * interval_; }

  /// Under the lock.
  std::string known() const {
    if (!trouble_.empty() || !cut_off()) return trouble_;
    return fmt::format(
        "rank {} has had no answer from the meeting at {}:{} for {:.1f} s; hint: is the network "
        "up, and the machine of rank 0?",
        place_.rank, place_.host, place_.port,
        std::chrono::duration<double>(Clock::now() - answered_).count());
  }

  void answered() {
    const std::scoped_lock lock(mutex_);
    answered_ = Clock::now();
  }

  void run() {
    work();
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  void work() {
    std::int64_t count = 0;
    for (;;) {
      std::string found;
      try {
        meeting_.set(sign_of(place_.rank), std::to_string(++count));
        answered();
        found = look_around();
      } catch (const std::exception&) {
        found = place_.served ? "the launcher, which serves the meeting, is gone"
                              : "rank 0, which serves the meeting, is gone";
      }
      std::unique_lock lock(mutex_);
      answered_ = Clock::now();  // or a failure, which is trouble
      if (trouble_.empty() && !found.empty()) {
        trouble_ = found;
        changed_.notify_all();
      }
      if (changed_.wait_for(lock, interval_, [this] { return stopping_; })) break;
    }
    try {
      if (!meeting_.find(end_of(place_.rank))) meeting_.set(sign_of(place_.rank), kGoodbye);
      if (place_.rank == 0 && !place_.served) wait_for_goodbyes();
    } catch (const std::exception&) {
      // Nobody is left to be told.
    }
  }

  /// The meeting ends with rank 0, which serves it: the others may still have something to say.
  void wait_for_goodbyes() {
    const auto end = Clock::now() + std::min<Clock::duration>(timeout_, std::chrono::seconds(5));
    for (bool all = false; !all && trouble().empty() && Clock::now() < end;) {
      all = look_around().empty();
      for (std::size_t rank = 1; rank < seen_.size(); ++rank) all = all && seen_[rank].left;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::string look_around() {
    for (std::int64_t rank = 0; rank < place_.size; ++rank) {
      if (rank == place_.rank) continue;
      if (const std::optional<std::string> reason = meeting_.find(end_of(rank))) {
        return fmt::format("rank {} ended: {}", rank, *reason);
      }
      Seen& seen = seen_[static_cast<std::size_t>(rank)];
      const std::string sign = meeting_.find(sign_of(rank)).value_or("");
      answered();
      seen.left = sign == kGoodbye;
      if (sign != seen.sign) seen = {sign, Clock::now(), seen.left};
      const auto silent = Clock::now() - seen.at;
      if (!seen.left && silent > patience()) {
        return fmt::format("rank {} has given no sign of life for {:.1f} s", rank,
                           std::chrono::duration<double>(silent).count());
      }
    }
    return {};
  }

  std::chrono::milliseconds patience() const {
    const std::scoped_lock lock(mutex_);
    return hurried_ ? 3 * interval_ : timeout_;
  }

  Meeting meeting_;
  RankPlace place_;
  std::chrono::milliseconds timeout_, interval_;
  std::vector<Seen> seen_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool hurried_ = false;
  bool stopping_ = false, ended_ = false;
  std::string trouble_;
  Clock::time_point answered_ = Clock::now();  // the meeting, at last
  std::thread thread_;
};

POSTTRAIN_INLINE Pulse::Pulse(const Meeting& meeting, const RankPlace& place,
                              std::chrono::milliseconds timeout)
    : beating_(Beating::started(std::make_shared<Beating>(meeting, place, timeout))) {}
POSTTRAIN_INLINE Pulse::~Pulse() { beating_->stop(); }
POSTTRAIN_INLINE std::string Pulse::trouble() const { return beating_->trouble(); }
POSTTRAIN_INLINE std::string Pulse::trouble_soon() const { return beating_->trouble_soon(); }
POSTTRAIN_INLINE void Pulse::end_with(std::string_view reason) const { beating_->end_with(reason); }

}  // namespace posttrain
