// SPDX-License-Identifier: Apache-2.0
// Rollouts that were written elsewhere: JSON Lines of groups with their samples' ids and rewards
// (data/rollouts/rollout_lines.hpp), for samples of any engine, or recorded ones.
//
// Ids are taken as they are; nothing is tokenized. An optimizer step is `effective_batch_size`
// samples. The ratio of a loss is to the policy before the first update on a rollout; what the
// samples' own policy made them of ("sampled_logps") is what an importance correction reads
// (losses/policy/importance.hpp), and it has to be there where a rollout has several updates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/stopwatch.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/rollouts/queued_stream.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/data/rollouts/score_rollout.hpp"

namespace posttrain {

namespace data {

/// Groups of a file with what became of its lines.
struct RecordedGroups {
  std::vector<RolloutGroup> groups;
  std::int64_t group_size = 0;  // samples of each
  bool drawn_logps = true;      // whether every sample says how likely its ids were
  ContentHash content;
  DataReport report;
};

/// Throws one line with its place for a line that is no group, a group of another size, an id that
/// the model has not, a sample that does not fit a micro-batch.
RecordedGroups read_rollout_file(std::string_view path, std::int64_t vocab_size,
                                 std::int64_t max_tokens_per_batch);

class RolloutFileStream : public QueuedStream {
 public:
  using Batch = RolloutBatch;

  RolloutFileStream(RecordedGroups recorded, const RolloutSizes& sizes, double temperature)
      : QueuedStream(RolloutQueue(sizes)),
        recorded_(std::move(recorded)),
        sizes_(sizes),
        temperature_(temperature) {}

  void check(const RolloutNeeds& needs) const {
    if (recorded_.group_size < needs.least_group) {
      raise("expected groups of at least {} samples, which the loss compares, got {}",
            needs.least_group, recorded_.group_size);
    }
  }

  template <class View>
  std::optional<std::vector<RolloutBatch>> next(const View& view) {
    const auto read = [&] {
      Rollout rollout;
      rollout.number = queue_.rollouts();
      rollout.temperature = temperature_;
      for (const DrawnPrompt& drawn : queue_.draw(sizes_.groups_per_rollout)) {
        rollout.groups.push_back(recorded_.groups[drawn.prompt]);
      }
      work_ = {.prompts = std::ssize(rollout.groups), .rounds = 1};
      const Stopwatch watch;
      score_rollout(view, rollout, queue_.steps_of(rollout), sizes_.max_tokens_per_batch,
                    sizes_.ranks);
      work_.score_seconds = watch.seconds();
      return rollout;
    };
    if (!begin_step(read)) return std::nullopt;
    return std::move(next_step(view).batches);
  }

  bool needs_max_steps() const { return false; }
  Metrics measure(double update_seconds) {
    work_.update_seconds += update_seconds;
    return rollout_metrics(queue_.rollout(), work_);
  }
  bool has_validation() const { return false; }
  template <class View>
  Metrics validate(const View&) {
    return {};
  }
  const DataReport& report() const { return recorded_.report; }
  ContentHash content() const { return recorded_.content; }

 private:
  RecordedGroups recorded_;
  RolloutSizes sizes_;
  double temperature_;
  RolloutWork work_{};  // of the rollout in work
};

}  // namespace data

struct RolloutFile {
  using Batch = RolloutBatch;

  LiteralString path{};
  std::int64_t rollout_size = 0;  // samples; 0: Options::effective_batch_size
  std::int64_t num_iterations = 1;
  double temperature = 1.0;  // that the samples were drawn at

  constexpr void validate() const {
    if (path.view().empty()) fail("posttrain: the data's path must not be empty");
    if (rollout_size < 0) fail("posttrain: RolloutFile.rollout_size must not be negative");
    if (num_iterations < 1) fail("posttrain: RolloutFile.num_iterations must be at least 1");
    if (!(temperature > 0.0)) fail("posttrain: RolloutFile.temperature must be positive");
  }

  data::RolloutFileStream open(const data::LoadContext& context, std::int64_t effective_batch_size,
                               std::int64_t vocab_size = 0) const {
    data::RecordedGroups recorded =
        data::read_rollout_file(path.view(), vocab_size, context.max_tokens_per_batch);
    const std::int64_t samples = rollout_size > 0 ? rollout_size : effective_batch_size;
    if (effective_batch_size % recorded.group_size != 0 || samples % effective_batch_size != 0) {
      raise(
          "expected groups of {} samples to divide effective_batch_size, and that to divide "
          "rollout_size, got {} and {}",
          recorded.group_size, effective_batch_size, samples);
    }
    if ((samples > effective_batch_size || num_iterations > 1) && !recorded.drawn_logps) {
      raise(
          "{}: expected \"sampled_logps\" of every sample where a rollout has several updates; "
          "hint: without them nobody knows how far the policy is from the one that wrote the "
          "samples",
          path.view());
    }
    const data::RolloutSizes sizes{.prompts = std::ssize(recorded.groups),
                                   .groups_per_rollout = samples / recorded.group_size,
                                   .groups_per_step = effective_batch_size / recorded.group_size,
                                   .num_iterations = num_iterations,
                                   .max_tokens_per_batch = context.max_tokens_per_batch,
                                   .ranks = context.ranks,
                                   .seed = context.seed};
    return {std::move(recorded), sizes, temperature};
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/impl/rollout_file.ipp"
#endif
