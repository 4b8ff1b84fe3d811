// SPDX-License-Identifier: Apache-2.0
// A stream that rolls out as RolloutStream does, and whose steps are what a choice makes of the
// groups: pairs for losses on pairs (data/online_pairs.hpp), sequences for losses on tokens
// (data/best_of_group.hpp).
//
// A choice gives items of any kind (concepts/kind.hpp), so every loss on their batches trains on
// what the policy wrote. Items are scored at the temperature that the samples were drawn at: the
// policy that trains is the one that wrote, and what is chosen without regard to rewards teaches
// nothing on average.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/batch/rollout.hpp"
#include "posttrain/concepts/kind.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/data/rollouts/rollout_stream.hpp"

namespace posttrain::data {

/// What is trained of a group, a function of the group alone; the metrics of a rollout's; and what
/// is to be said of rollouts that give none.
template <class C>
concept ChoosesItems = ItemKind<typename C::Kind> &&
    requires(const C& choice, const RolloutGroup& group, const Rollout& rollout) {
  { choice.items(group) } -> std::same_as<std::vector<typename C::Kind::Item>>;
  { choice.measure(rollout) } -> std::same_as<Metrics>;
  { choice.without_items() } -> std::convertible_to<std::string_view>;
};

template <ChoosesItems Choice>
class ChosenStream : public RolloutStream {
 public:
  using Kind = typename Choice::Kind;
  using Batch = typename Kind::Batch;

  ChosenStream(RolloutStream rollouts, const Choice& choice)
      : RolloutStream(std::move(rollouts)), choice_(choice) {}

  /// The micro-batches of the next optimizer step, none where its groups give no item; nothing at
  /// the end of an epoch. Ten rollouts in a row without an item are an error.
  template <class View>
  std::optional<std::vector<Batch>> next(const View& view) {
    const auto make = [&] {
      Rollout rollout = roll_out(view, {.rewards = false});
      check_useful(gives_items(rollout),
                   scored(rollout) ? choice_.without_items() : kWithoutRewards);
      return rollout;
    };
    if (!begin_step(make)) return std::nullopt;
    std::vector<typename Kind::Item> items;
    for (const std::size_t group : queue_.next_groups()) {
      for (auto& item : choice_.items(queue_.rollout().groups[group])) {
        items.push_back(std::move(item));
      }
    }
    std::vector<Batch> batches;
    if (!items.empty())
      batches = make_batches(Kind{}, items, options_.sizes.max_tokens_per_batch, {},
                             size_of(options_.sizes.ranks));
    for (Batch& batch : batches) batch.temperature = queue_.rollout().temperature;
    return batches;
  }

  /// Of the rollout in work, for the record of an optimizer step that took so long.
  Metrics measure(double update_seconds) {
    Metrics metrics = rolled_out(update_seconds);
    for (auto& each : choice_.measure(queue_.rollout())) metrics.push_back(std::move(each));
    return metrics;
  }

 private:
  bool gives_items(const Rollout& rollout) const {
    for (const RolloutGroup& group : rollout.groups) {
      if (!choice_.items(group).empty()) return true;
    }
    return false;
  }

  Choice choice_;
};

}  // namespace posttrain::data
