// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/rollout_queue.hpp"

#include <set>
#include <string>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/drawn_prompts.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;
using data::RolloutQueue;

namespace {

const data::RolloutSizes kSizes{.prompts = 7,
                                .groups_per_rollout = 4,
                                .groups_per_step = 2,
                                .num_iterations = 2,
                                .max_tokens_per_batch = 100,
                                .seed = 5};

/// Draws the next rollout's prompts and begins to train on some answers to them.
std::vector<std::size_t> begin_rollout(RolloutQueue& queue) {
  const auto drawn = prompts_of(queue.draw(kSizes.groups_per_rollout));
  Rollout rollout = some_rollout(static_cast<int>(drawn.size()), 2, queue.rollouts());
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    rollout.groups[i].sample = static_cast<std::int64_t>(drawn[i]);
    for (RolloutSample& sample : rollout.groups[i].samples) sample.old_logps = sample.sampled_logps;
  }
  queue.start(std::move(rollout));
  queue.set_advantages(some_advantages(queue.rollout()));
  return drawn;
}

}  // namespace

TEST_CASE("An epoch answers every prompt once, in an order of its own", "[data][rollouts]") {
  RolloutQueue queue(kSizes);
  CHECK(queue.steps_per_epoch() == 2 * (2 + 2));
  std::set<std::vector<std::size_t>> orders;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::size_t> order;
    std::int64_t steps = 0;
    while (!queue.at_epoch_end()) {
      const auto drawn = begin_rollout(queue);
      order.insert(order.end(), drawn.begin(), drawn.end());
      while (queue.has_step()) {
        queue.next_step({});
        ++steps;
        CHECK(queue.position() == data::SamplerPosition{epoch, steps});
      }
    }
    CHECK(steps == queue.steps_per_epoch());
    CHECK(std::set<std::size_t>(order.begin(), order.end()).size() == 7);
    orders.insert(order);
    queue.next_epoch();
  }
  CHECK(orders.size() == 3);
  CHECK(queue.rollouts() == 6);
}

TEST_CASE("The first step of a rollout has no older policy", "[data][rollouts]") {
  RolloutQueue queue(kSizes);
  begin_rollout(queue);
  for (bool first = true; queue.has_step(); first = false) {
    for (const RolloutBatch& batch : queue.next_step({}).batches) {
      CHECK(batch.old_logps.defined() == !first);
      CHECK(batch.sampled_logps.defined());
    }
  }
}

TEST_CASE("A queue goes on from its text at any step", "[data][rollouts][checkpoints][C25]") {
  RolloutQueue queue(kSizes);
  for (int step = 0; step < 12; ++step) {
    RolloutQueue other(kSizes);
    other.restore(queue.text());
    CHECK(other.text() == queue.text());
    CHECK(other.position() == queue.position());
    CHECK(other.at_epoch_end() == queue.at_epoch_end());
    for (RolloutQueue* each : {&queue, &other}) {
      if (each->at_epoch_end()) each->next_epoch();
      if (!each->has_step()) begin_rollout(*each);
      if (!each->has_advantages()) each->set_advantages(some_advantages(each->rollout()));
    }
    const auto own = queue.next_step({}), others = other.next_step({});
    REQUIRE(own.batches.size() == others.batches.size());
    for (std::size_t i = 0; i < own.batches.size(); ++i) {
      CHECK(at::equal(own.batches[i].ids, others.batches[i].ids));
      CHECK(at::equal(own.batches[i].advantage, others.batches[i].advantage));
      CHECK(at::equal(own.batches[i].sampled_logps, others.batches[i].sampled_logps));
    }
  }
}

TEST_CASE("A text that is none of a queue changes nothing", "[data][rollouts][checkpoints]") {
  RolloutQueue queue(kSizes);
  begin_rollout(queue);
  const std::string text = queue.text();
  RolloutQueue other(kSizes);
  const std::string before = other.text();
  CHECK_THROWS_WITH(other.restore(""), Catch::Contains("one more line"));
  CHECK_THROWS_WITH(other.restore(text.substr(0, text.size() / 2)), Catch::Contains("checkpoint"));
  CHECK_THROWS_WITH(other.restore(text + "x"), Catch::Contains("expected its end"));
  CHECK_THROWS_WITH(other.restore("{\"epoch\": -1}\n"), Catch::Contains("epoch"));
  CHECK(other.text() == before);
}

TEST_CASE("A loss has advantages of every group", "[data][rollouts]") {
  RolloutQueue queue(kSizes);
  begin_rollout(queue);
  CHECK_THROWS_WITH(queue.set_advantages({}), Catch::Contains("of 4 groups"));
}
