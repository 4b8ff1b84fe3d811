// SPDX-License-Identifier: Apache-2.0
// Where a run that rolls out stands: the prompts of an epoch in their order, the rollout that is
// being trained on, and which of its optimizer steps comes next.
//
// It is kept in checkpoints as text, so that a run goes on in the middle of a rollout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/data/rollouts/minibatches.hpp"
#include "posttrain/data/rollouts/prompt_order.hpp"

namespace posttrain::data {

/// How rollouts are made of prompts, and optimizer steps of rollouts.
struct RolloutSizes {
  std::int64_t prompts = 0;               // of the data
  std::int64_t groups_per_rollout = 1;    // an epoch's last rollout may have fewer
  std::int64_t groups_per_step = 1;       // optimizer step
  std::int64_t num_iterations = 1;        // passes over a rollout
  std::int64_t max_tokens_per_batch = 0;  // of a micro-batch
  Communicator* ranks = nullptr;          // who shares the work; null: one process
  std::uint64_t seed = 0;
  std::vector<MixturePart> parts{};  // of several sources with shares; empty: one
};

class RolloutQueue {
 public:
  /// `weights`: of a curriculum over the prompts; they decide how many steps an epoch has.
  explicit RolloutQueue(const RolloutSizes& sizes, PromptWeights weights = {})
      : sizes_(sizes), order_(sizes.prompts, sizes.seed, std::move(weights), sizes.parts) {}

  // --- prompts ----------------------------------------------------------------------------------
  /// The next `count` prompts of this epoch, fewer at its end.
  std::vector<DrawnPrompt> draw(std::int64_t count) { return order_.draw(count); }
  bool prompts_left() const { return order_.any_left(); }
  /// The mean reward of the answers to a prompt that was drawn.
  void visited(std::size_t prompt, double mean_reward) { order_.visited(prompt, mean_reward); }
  std::int64_t epoch() const { return position_.epoch; }
  /// Rollouts begun so far.
  std::int64_t rollouts() const { return rollouts_; }

  // --- the rollout in work ----------------------------------------------------------------------
  /// Its number has to be `rollouts()`.
  void start(Rollout rollout);
  const Rollout& rollout() const { return rollout_; }
  bool has_advantages() const { return advantages_.size() == rollout_.groups.size(); }
  void set_advantages(Advantages advantages);
  /// Optimizer steps on a rollout; at least one, if an empty one.
  std::int64_t steps_of(const Rollout& rollout) const;
  bool has_step() const { return started_ && next_ < steps_of(rollout_); }
  /// The groups of the rollout that the next optimizer step trains on.
  std::vector<std::size_t> next_groups();
  /// The next optimizer step of a loss on rollouts. The first of a rollout compares with no old
  /// policy: it is the old policy, and the ratio is 1 to the bit.
  StepBatches next_step(const RolloutNeeds& needs);

  // --- the place in the data --------------------------------------------------------------------
  SamplerPosition position() const { return position_; }
  void seek(SamplerPosition position) { position_ = position; }
  void next_epoch();
  /// Where every prompt is drawn and gives a group.
  std::int64_t steps_per_epoch() const;
  bool at_epoch_end() const { return !prompts_left() && !has_step(); }

  std::string text() const;
  /// Throws for what is no such text.
  void restore(std::string_view text);

 private:
  RolloutSizes sizes_;
  PromptOrder order_;  // of the epoch's prompts
  SamplerPosition position_{};
  std::int64_t rollouts_ = 0;
  bool started_ = false;
  Rollout rollout_{};
  Advantages advantages_{};
  std::int64_t next_ = 0;  // step of the rollout
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/rollout_queue.ipp"
#endif
