// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/steps.hpp"

#include <cmath>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Longs = std::vector<std::int64_t>;

const SteppedSolution kFirst{{1, 2}, {{3}, {4, 5}}, {1.0F, 0.25F}, 5};
const SteppedSolution kBare{{}, {{6, 7}, {8}}, {0.0F, 1.0F}, 9};

Tensor longs(const Longs& values) { return at::tensor(values, at::kLong); }

}  // namespace

TEST_CASE("a step's reward stands at its last token, by length [C21]", "[batch][steps][C21]") {
  const StepRewardBatch batch = pack_steps({{&kFirst, &kBare}});
  CHECK(at::equal(batch.ids.to(at::kLong), longs({1, 2, 3, 4, 5, 6, 7, 8})));
  CHECK(at::equal(batch.row, longs({2, 4, 6, 7})));
  CHECK(at::equal(batch.label, at::tensor(std::vector<float>{1.0F, 0.25F, 0.0F, 1.0F})));
  CHECK(batch.offsets == Longs{0, 2, 4});
  CHECK(batch.samples == Longs{5, 9});
  CHECK(batch.weight.eq(1.0).all().item<bool>());
  CHECK(at::equal(StepKind::pack({{&kFirst, &kBare}}).row, batch.row));
}

TEST_CASE("labels go with their steps into slices", "[batch][steps]") {
  const StepRewardBatch part = pack_steps({{&kFirst, &kBare}}).slice(1, 3).to(at::kCPU);
  CHECK(at::equal(part.row, longs({4, 6})));
  CHECK(at::equal(part.label, at::tensor(std::vector<float>{0.25F, 0.0F})));
  CHECK(part.tokens() == 8);
}

TEST_CASE("a solution whose steps cannot be judged is refused with its place", "[batch][steps]") {
  SteppedSolution wrong = kFirst;
  wrong.labels.pop_back();
  CHECK_THROWS_WITH(pack_steps({{&wrong}}),
                    "sample 5: expected at least one step and a label for each, got 2 steps, 1 "
                    "labels");
  wrong.labels.push_back(1.5F);
  CHECK_THROWS_WITH(pack_steps({{&wrong}}), "sample 5: expected labels in [0, 1], got 1.5");
  wrong.labels.back() = std::nanf("");
  CHECK_THROWS_WITH(pack_steps({{&wrong}}), Catch::Contains("expected labels in [0, 1]"));
  wrong = kFirst;
  wrong.steps[1].clear();
  CHECK_THROWS_WITH(pack_steps({{&wrong}}),
                    "sample 5: expected steps of at least one token, got none");
}
