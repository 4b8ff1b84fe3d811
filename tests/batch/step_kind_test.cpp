// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/step_kind.hpp"

#include "posttrain/concepts/kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

static_assert(ItemKind<StepKind> && !KeepsReference<StepKind>);

namespace {

SteppedSolution some_solution() {
  return {{1, 2}, {{3}, {4, 5}, {6, 7, 8}}, {1.0F, 0.25F, 0.0F}, 5};
}

}  // namespace

TEST_CASE("a solution counts its steps, not its tokens", "[batch][steps]") {
  CHECK(StepKind::tokens(some_solution()) == 8);
  CHECK(StepKind::length(some_solution()) == 8);
  CHECK(StepKind::counted(some_solution()) == 3);
}

TEST_CASE("a solution that is cut keeps whole steps with their labels", "[batch][steps][C17]") {
  const auto cut = [](std::int64_t limit) {
    SteppedSolution solution = some_solution();
    const bool kept = StepKind::truncate(solution, limit);
    CHECK(kept == !solution.steps.empty());
    CHECK(solution.labels.size() == solution.steps.size());
    return solution.steps.size();
  };
  CHECK(cut(2) == 0);
  CHECK(cut(3) == 1);
  CHECK(cut(4) == 1);
  CHECK(cut(5) == 2);
  CHECK(cut(7) == 2);
  CHECK(cut(8) == 3);
}

TEST_CASE("the parts of a solution hold prompt, steps and labels", "[batch][steps]") {
  SteppedSolution solution = some_solution();
  for (const bool prompted : {true, false}) {
    if (!prompted) solution.prompt.clear();
    const SteppedSolution again = StepKind::from_parts(StepKind::parts(solution));
    CHECK(again.prompt == solution.prompt);
    CHECK(again.steps == solution.steps);
    CHECK(again.labels == solution.labels);
  }
}
