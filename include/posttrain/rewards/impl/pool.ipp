// SPDX-License-Identifier: Apache-2.0
// Definitions of pool.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/rewards/pool.hpp"

namespace posttrain {

POSTTRAIN_INLINE void VerifierPoolOptions::validate() const {
  if (threads < 1 || threads > 256) {
    raise("expected from 1 to 256 threads of a VerifierPool, got {}", threads);
  }
  if (!(timeout > 0.0 && timeout <= 86400.0)) {
    raise("expected a VerifierPool's timeout in seconds, above 0 and at most a day, got {}",
          timeout);
  }
}

namespace rewards {

namespace detail {

using Clock = std::chrono::steady_clock;

/// The samples of one call of `begin` and what has been said about them. A thread that hangs keeps
/// it, so that what it reads stays.
struct Round {
  std::size_t group_size = 1;
  std::vector<Sample> samples;
  std::vector<bool> added;
  std::vector<std::size_t> missing;            // of each group
  std::vector<std::vector<Verdict>> verdicts;  // [sample][verifier]
  std::vector<VerifierFailure> failures;
  std::size_t judged = 0;  // verdicts

  std::size_t expected() const {
    return samples.empty() ? 0 : samples.size() * verdicts.front().size();
  }
};

/// One call of a verifier: for `count` samples from `first` on.
struct PoolCall {
  std::shared_ptr<Round> round;
  std::size_t verifier = 0;
  std::size_t first = 0;
  std::size_t count = 1;
};

struct Worker {
  std::thread thread;
  PoolCall call;
  std::optional<Clock::time_point> deadline;  // while a call runs
  bool abandoned = false;
};

/// What a call gave: verdicts, or why there are none.
struct Outcome {
  std::vector<Verdict> verdicts;
  std::string error;
  bool timed_out = false;
  double seconds = 0.0;
};

}  // namespace detail

struct PoolThreads::State {
  static constexpr int kMostAbandoned = 16;  // threads that hang at the same time

  std::shared_ptr<const Judges> judges;
  VerifierPoolOptions options;
  std::mutex mutex;
  std::condition_variable wake;   // workers: there is work
  std::condition_variable watch;  // the watcher: a call began
  std::condition_variable done;   // who waits for the round, or for the end
  std::deque<detail::PoolCall> queue;
  std::vector<std::shared_ptr<detail::Worker>> workers;
  std::thread watcher;
  std::shared_ptr<detail::Round> round;
  int abandoned = 0;  // threads that still hang
  bool stopping = false;
  std::string broken;  // why no thread is left; then every call fails

  detail::Outcome run(const detail::PoolCall& call) const {
    detail::Outcome outcome;
    const auto begin = detail::Clock::now();
    try {
      outcome.verdicts = judges->judge(
          call.verifier,
          std::span<const Sample>(call.round->samples).subspan(call.first, call.count));
    } catch (const std::exception& error) {
      outcome.error = error_text(error);
    } catch (...) {
      outcome.error = "an exception that is no std::exception";
    }
    outcome.seconds = std::chrono::duration<double>(detail::Clock::now() - begin).count();
    return outcome;
  }

  /// Puts down what a call gave. The mutex is held.
  void settle(const detail::PoolCall& call, detail::Outcome outcome) {
    const double seconds = outcome.seconds / static_cast<double>(call.count);
    for (std::size_t i = 0; i < call.count; ++i) {
      Verdict verdict;
      if (outcome.error.empty()) {
        verdict = std::move(outcome.verdicts[i]);
      } else {
        if (options.on_error == OnError::zero) verdict.value = 0.0;
        verdict.reason = outcome.error;
        call.round->failures.push_back(
            {call.first + i, judges->names()[call.verifier], outcome.error, outcome.timed_out});
      }
      verdict.seconds = seconds;
      call.round->verdicts[call.first + i][call.verifier] = std::move(verdict);
    }
    call.round->judged += call.count;
    done.notify_all();
  }

  static void work(const std::shared_ptr<State>& state,
                   const std::shared_ptr<detail::Worker>& self) {
    std::unique_lock lock(state->mutex);
    for (;;) {
      state->wake.wait(lock, [&] { return state->stopping || !state->queue.empty(); });
      if (state->stopping) return;
      self->call = std::move(state->queue.front());
      state->queue.pop_front();
      self->deadline =
          detail::Clock::now() + std::chrono::duration_cast<detail::Clock::duration>(
                                     std::chrono::duration<double>(state->options.timeout));
      state->watch.notify_one();
      lock.unlock();
      detail::Outcome outcome = state->run(self->call);
      lock.lock();
      if (self->abandoned) {  // its failure has been put down, another thread works in its place
        --state->abandoned;
        return;
      }
      self->deadline.reset();
      state->settle(self->call, std::move(outcome));
      self->call = {};
    }
  }

  /// Puts a new thread into a worker's place. The mutex is held.
  void start(std::shared_ptr<detail::Worker>& place, const std::shared_ptr<State>& self) {
    auto worker = std::make_shared<detail::Worker>();
    worker->thread = std::thread([self, worker] { work(self, worker); });
    place = std::move(worker);
  }

  /// Gives up on a worker whose call took too long. The mutex is held.
  void give_up(std::shared_ptr<detail::Worker>& place, const std::shared_ptr<State>& self) {
    detail::Worker& worker = *place;
    worker.abandoned = true;
    worker.deadline.reset();
    worker.thread.detach();
    ++abandoned;
    const detail::PoolCall call = worker.call;
    settle(call, {{}, fmt::format("timed out after {} s", options.timeout), true, options.timeout});
    place.reset();
    try {
      if (abandoned >= kMostAbandoned) {
        broken = fmt::format("{} threads hang in verifiers", abandoned);
      } else {
        start(place, self);
      }
    } catch (const std::system_error& error) {
      broken = fmt::format("no thread could be started: {}", error.what());
    }
  }

  static void watch_over(const std::shared_ptr<State>& state) {
    std::unique_lock lock(state->mutex);
    for (;;) {
      std::optional<detail::Clock::time_point> next;
      bool busy = false;
      for (std::shared_ptr<detail::Worker>& place : state->workers) {
        if (!place || !place->deadline) continue;
        if (*place->deadline <= detail::Clock::now()) {
          state->give_up(place, state);
          if (!place || !place->deadline) continue;
        }
        busy = true;
        next = next ? std::min(*next, *place->deadline) : *place->deadline;
      }
      if (!state->broken.empty()) state->fail_queue();
      if (state->stopping && !busy) return;
      if (next) {
        state->watch.wait_until(lock, *next);
      } else {
        state->watch.wait(lock);
      }
    }
  }

  /// Where no thread is left, what waits has failed. The mutex is held.
  void fail_queue() {
    const bool left = std::any_of(workers.begin(), workers.end(),
                                  [](const auto& place) { return place != nullptr; });
    if (left) return;
    for (; !queue.empty(); queue.pop_front()) settle(queue.front(), {{}, broken, false, 0.0});
  }
};

POSTTRAIN_INLINE PoolThreads::PoolThreads(std::shared_ptr<const Judges> judges,
                                          const VerifierPoolOptions& options)
    : state_(std::make_shared<State>()) {
  options.validate();
  state_->judges = std::move(judges);
  state_->options = options;
  const std::lock_guard lock(state_->mutex);
  state_->workers.resize(static_cast<std::size_t>(options.threads));
  for (auto& place : state_->workers) state_->start(place, state_);
  state_->watcher = std::thread([state = state_] { State::watch_over(state); });
}

POSTTRAIN_INLINE PoolThreads::~PoolThreads() {
  std::vector<std::shared_ptr<detail::Worker>> workers;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->queue.clear();
    state_->wake.notify_all();
    state_->watch.notify_all();
  }
  // The watcher stays until no call runs or has been given up.
  state_->watcher.join();
  {
    const std::lock_guard lock(state_->mutex);
    workers.swap(state_->workers);
  }
  for (const auto& worker : workers) {
    if (worker && worker->thread.joinable()) worker->thread.join();
  }
}

POSTTRAIN_INLINE void PoolThreads::begin(std::size_t samples, std::size_t group_size) {
  if (group_size == 0 || samples % group_size != 0) {
    raise("expected groups of equal size, got {} samples in groups of {}", samples, group_size);
  }
  const std::lock_guard lock(state_->mutex);
  if (state_->round) fail("expected finish() before another begin() of a VerifierPool");
  auto round = std::make_shared<detail::Round>();
  round->group_size = group_size;
  round->samples.resize(samples);
  round->added.resize(samples);
  round->missing.assign(samples / group_size, group_size);
  round->verdicts.assign(samples, std::vector<Verdict>(state_->judges->names().size()));
  state_->round = std::move(round);
}

POSTTRAIN_INLINE void PoolThreads::add(std::size_t index, Sample sample) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->round) fail("expected begin() before add() of a VerifierPool");
  detail::Round& round = *state_->round;
  if (index >= round.samples.size()) {
    raise("expected a sample's index below {}, got {}", round.samples.size(), index);
  }
  if (round.added[index]) raise("expected each sample once, got sample {} again", index);
  round.added[index] = true;
  round.samples[index] = std::move(sample);
  const std::size_t group = index / round.group_size;
  const bool complete = --round.missing[group] == 0;
  for (std::size_t v = 0; v < state_->judges->names().size(); ++v) {
    if (!state_->judges->takes_group(v)) {
      state_->queue.push_back({state_->round, v, index, 1});
    } else if (complete) {
      state_->queue.push_back({state_->round, v, group * round.group_size, round.group_size});
    }
  }
  if (!state_->broken.empty()) state_->fail_queue();
  state_->wake.notify_all();
}

POSTTRAIN_INLINE std::size_t PoolThreads::judged() const {
  const std::lock_guard lock(state_->mutex);
  return state_->round ? state_->round->judged : 0;
}

POSTTRAIN_INLINE Verified PoolThreads::finish() {
  std::unique_lock lock(state_->mutex);
  if (!state_->round) fail("expected begin() before finish() of a VerifierPool");
  const std::shared_ptr<detail::Round> round = state_->round;
  const auto absent = std::find(round->added.begin(), round->added.end(), false);
  if (absent != round->added.end()) {
    raise("expected {} samples before finish(), sample {} was never added", round->samples.size(),
          absent - round->added.begin());
  }
  state_->done.wait(lock, [&] { return round->judged == round->expected(); });
  state_->round.reset();
  const std::string broken = state_->broken;
  lock.unlock();

  Verified verified;
  verified.verdicts = std::move(round->verdicts);
  verified.failures = std::move(round->failures);
  const std::vector<std::string>& names = state_->judges->names();
  const auto place = [&](const VerifierFailure& failure) {
    return std::tuple(failure.sample, std::find(names.begin(), names.end(), failure.verifier));
  };
  std::sort(verified.failures.begin(), verified.failures.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  if (!verified.failures.empty() &&
      (state_->options.on_error == OnError::stop || !broken.empty())) {
    const VerifierFailure& first = verified.failures.front();
    raise("{} failed on sample {}: {} ({} failures among {} samples){}", first.verifier,
          first.sample, first.what, verified.failures.size(), verified.verdicts.size(),
          broken.empty() ? "; hint: on_error says whether that ends a run" : "; " + broken);
  }
  for (const std::string& name : names) verified.totals.push_back({.name = name});
  for (const std::vector<Verdict>& of_sample : verified.verdicts) {
    for (std::size_t v = 0; v < names.size(); ++v) {
      VerifierTotals& totals = verified.totals[v];
      totals.judged += 1;
      totals.applicable += of_sample[v].applicable();
      totals.sum += of_sample[v].value.value_or(0.0);
      totals.seconds += of_sample[v].seconds;
    }
    verified.rewards.push_back(state_->judges->combined(of_sample));
  }
  for (const VerifierFailure& failure : verified.failures) {
    VerifierTotals& totals = verified.totals[static_cast<std::size_t>(
        std::find(names.begin(), names.end(), failure.verifier) - names.begin())];
    totals.failed += 1;
    totals.timed_out += failure.timed_out;
  }
  return verified;
}

}  // namespace rewards

}  // namespace posttrain
