// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/queued_stream.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// A loss that takes any rollout.
struct Estimates {
  Advantages advantages(const Rollout& rollout) const { return some_advantages(rollout); }
  RolloutNeeds needs() const { return {}; }
};

/// The rest of a stream: where its rollouts come from.
class Numbered : public data::QueuedStream {
 public:
  explicit Numbered(std::int64_t prompts)
      : QueuedStream(data::RolloutQueue({.prompts = prompts,
                                         .groups_per_rollout = 4,
                                         .groups_per_step = 2,
                                         .max_tokens_per_batch = 100,
                                         .seed = 5})) {}

  bool next() {
    const auto make = [&] {
      const auto drawn = queue_.draw(4);
      return some_rollout(static_cast<int>(drawn.size()), 2, queue_.rollouts());
    };
    tokens = 0;
    if (!begin_step(make)) return false;
    for (const RolloutBatch& batch : next_step(Estimates{}).batches) tokens += batch.tokens();
    return true;
  }

  std::int64_t tokens = 0;  // of the last step
};

}  // namespace

TEST_CASE("A stream of rollouts begins one where none is in work", "[data][rollouts]") {
  Numbered stream(6);
  CHECK(stream.steps_per_epoch() == 3);
  std::vector<std::int64_t> begun;
  for (int step = 0; step < 3; ++step) {
    CHECK_FALSE(stream.at_epoch_end());
    REQUIRE(stream.next());
    CHECK(stream.tokens > 0);
    CHECK(stream.position() == data::SamplerPosition{0, step + 1});
    begun.push_back(stream.new_rollout() == nullptr ? -1 : stream.new_rollout()->number);
  }
  CHECK(begun == std::vector<std::int64_t>{0, -1, 1});
  CHECK(stream.at_epoch_end());
  CHECK_FALSE(stream.next());
  CHECK(stream.new_rollout() == nullptr);
  CHECK(stream.position() == data::SamplerPosition{1, 0});
  CHECK(stream.next());
}

TEST_CASE("A stream of rollouts goes on from what was kept of it",
          "[data][rollouts][checkpoints][C25]") {
  Numbered stream(6);
  for (int step = 0; step < 10; ++step) {
    Numbered other(6);
    other.seek(stream.position());
    other.restore(stream.kept());
    CHECK(stream.next() == other.next());
    CHECK(stream.tokens == other.tokens);
    CHECK(stream.position() == other.position());
    CHECK(stream.kept() == other.kept());
  }
}
