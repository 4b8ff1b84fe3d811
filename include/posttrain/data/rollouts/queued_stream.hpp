// SPDX-License-Identifier: Apache-2.0
// What all streams of rollouts have in common: a queue of their optimizer steps, and its place in
// checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/rollout_queue.hpp"

namespace posttrain::data {

class QueuedStream {
 public:
  bool at_epoch_end() const { return queue_.at_epoch_end(); }
  std::int64_t steps_per_epoch() const { return queue_.steps_per_epoch(); }
  SamplerPosition position() const { return queue_.position(); }
  void seek(SamplerPosition position) { queue_.seek(position); }
  /// What `position` does not say, for checkpoints.
  std::string kept() const { return queue_.text(); }
  void restore(std::string_view kept) { queue_.restore(kept); }
  /// The rollout that the last step began; null: it went on with an earlier one.
  const Rollout* new_rollout() const { return new_ ? &queue_.rollout() : nullptr; }

 protected:
  explicit QueuedStream(RolloutQueue queue) : queue_(std::move(queue)) {}

  /// Whether there is a next optimizer step; false ends the epoch, and the next one begins. Where
  /// no rollout is in work `make()` gives one.
  template <class Make>
  bool begin_step(const Make& make) {
    new_ = false;
    if (queue_.has_step()) return true;
    if (queue_.at_epoch_end()) {
      queue_.next_epoch();
      return false;
    }
    queue_.start(make());
    new_ = true;
    return true;
  }

  /// The next optimizer step of a loss on rollouts, which makes the advantages.
  template <class View>
  StepBatches next_step(const View& view) {
    if (!queue_.has_advantages()) queue_.set_advantages(view.advantages(queue_.rollout()));
    return queue_.next_step(view.needs());
  }

  RolloutQueue queue_;

 private:
  bool new_ = false;
};

}  // namespace posttrain::data
