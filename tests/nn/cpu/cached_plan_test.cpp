// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cpu/cached_plan.hpp"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using posttrain::AttentionPart;
using namespace posttrain::detail;

namespace {

// The partial results that a plan's items write, and how often rows take them.
std::multiset<std::int64_t> written(const CachedPlan& plan) {
  std::multiset<std::int64_t> slots;
  for (const auto* items : {&plan.products, &plan.single}) {
    for (const CachedItem& item : *items) {
      for (std::int64_t row = 0; row < item.rows.size(); ++row) slots.insert(item.slot + row);
    }
  }
  return slots;
}

std::multiset<std::int64_t> taken(const CachedPlan& plan) {
  std::multiset<std::int64_t> slots;
  for (const CachedStep& step : plan.steps) {
    for (std::int64_t i = 0; i < step.count; ++i) slots.insert(step.slot + i * step.stride);
  }
  return slots;
}

}  // namespace

TEST_CASE("shared prompts go by products in runs, tails are read in place") {
  const std::vector<AttentionPart> parts{{0, 16, 0, 1100, false, 0, 0},
                                         {3, 4, 1100, 1132, true, 1131, 1100}};
  const CachedPlan plan = plan_cached(parts, 0, 17, 8);
  CHECK(plan.products.size() == 6);  // blocks of 8 rows, runs of 512, 512 and 76 keys
  CHECK(plan.single.empty());
  CHECK(plan.slots == 48);
  REQUIRE(plan.first.size() == 18);
  CHECK(plan.first[17] - plan.first[16] == 0);  // the last row sees nothing
  REQUIRE(plan.first[4] - plan.first[3] == 2);
  const CachedStep& tail = plan.steps[static_cast<std::size_t>(plan.first[3]) + 1];
  CHECK((tail.part == 1 && tail.count == 0));
}

TEST_CASE("every partial result is written once and taken once") {
  const std::int64_t window = GENERATE(0, 30, 600, 2000), group = GENERATE(1, 3, 64, 65);
  const std::vector<AttentionPart> parts{
      {0, 300, 0, 5000, true, 4700, 0},    {0, 70, 5000, 6500, false, 2000, 300},
      {10, 14, 0, 3000, true, 2996, 0},    {20, 22, 7000, 7010, true, 8, 0},
      {5, 5, 0, 10, false, 0, 0},          {5, 50, 10, 10, false, 0, 0},
      {100, 140, 6500, 7000, true, -20, 0}};
  const CachedPlan plan = plan_cached(parts, window, 300, group);
  const std::multiset<std::int64_t> slots = written(plan);
  CHECK(slots == taken(plan));
  CHECK(std::set<std::int64_t>(slots.begin(), slots.end()).size() == slots.size());
  if (!slots.empty()) CHECK((*slots.begin() >= 0 && *slots.rbegin() < plan.slots));
}

TEST_CASE("a long cache of a single row is work for several threads") {
  const CachedPlan plan = plan_cached({{0, 1, 0, 4096, true, 4095, 0}}, 0, 1, 4);
  CHECK(plan.single.size() == 4);
  CHECK(plan.products.empty());
}
