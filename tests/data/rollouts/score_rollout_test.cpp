// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/score_rollout.hpp"

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "support/catch.hpp"
#include "support/some_rollout.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Scores that tell their name and the token, and how often they were asked for.
template <bool kReference>
struct FakeView {
  static constexpr bool needs_reference = kReference;
  RolloutNeeds wanted{};
  mutable int scored = 0;
  mutable Need last{};

  RolloutNeeds needs() const { return wanted; }
  Scores scores(const RolloutBatch& batch, Need need) const {
    ++scored;
    last = need;
    const Tensor ids = batch.target.to(at::kFloat);
    Scores all;
    all.logp = ids + 100;
    if (need.log_sum_sq) all.log_sum_sq = ids + 200;
    if (need.value) all.value = ids + 300;
    return all;
  }
  Tensor reference_logps(const RolloutBatch& batch) const {
    return batch.target.to(at::kFloat) + 400;
  }
  Tensor teacher_logps(const RolloutBatch& batch) const {
    return batch.target.to(at::kFloat) + 500;
  }
};

void check(const Rollout& rollout, std::vector<float> RolloutSample::*field, float offset) {
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      REQUIRE((sample.*field).size() == (offset < 0 ? 0 : sample.ids.size()));
      for (std::size_t i = 0; i < (sample.*field).size(); ++i) {
        CHECK((sample.*field)[i] == static_cast<float>(sample.ids[i]) + offset);
      }
    }
  }
}

}  // namespace

TEST_CASE("A rollout is scored for what its loss wants, and for nothing else", "[data][rollouts]") {
  constexpr float kNone = -1;
  Rollout rollout = some_rollout(2, 3);
  SECTION("one update, no reference: the policy is its own old policy") {
    const FakeView<false> view;
    data::score_rollout(view, rollout, 1, 100);
    CHECK(view.scored == 0);
  }
  SECTION("several updates") {
    const FakeView<false> view;
    data::score_rollout(view, rollout, 2, 100);
    check(rollout, &RolloutSample::old_logps, 100);
    check(rollout, &RolloutSample::values, kNone);
    CHECK_FALSE(view.last.value);
  }
  SECTION("a critic's values for one update") {
    const FakeView<false> view{.wanted = {.values = true}};
    data::score_rollout(view, rollout, 1, 100);
    check(rollout, &RolloutSample::values, 300);
    check(rollout, &RolloutSample::old_logps, kNone);
  }
  SECTION("a teacher's numbers and nothing of the policy") {
    const FakeView<false> view{.wanted = {.teacher_logps = true}};
    data::score_rollout(view, rollout, 1, 100);
    CHECK(view.scored == 0);
    check(rollout, &RolloutSample::teacher_logps, 500);
  }
  SECTION("all of it, in several micro-batches") {
    const FakeView<true> view{.wanted = {.old_logps = true, .log_sum_sq = true, .values = true}};
    data::score_rollout(view, rollout, 1, 7);
    CHECK(view.scored > 1);
    check(rollout, &RolloutSample::old_logps, 100);
    check(rollout, &RolloutSample::log_sum_sq, 200);
    check(rollout, &RolloutSample::values, 300);
    check(rollout, &RolloutSample::ref_logps, 400);
  }
}
