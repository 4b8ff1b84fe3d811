// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/pool_ranges.hpp"

#include <algorithm>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"

using posttrain::detail::PoolRange;
using posttrain::detail::PoolRanges;

TEST_CASE("a range comes out of the smallest hole with room, and holes that touch are one",
          "[generate]") {
  PoolRanges ranges;
  CHECK_FALSE(ranges.take(1));
  CHECK(ranges.take(0)->size == 0);
  ranges.grow(10);
  const PoolRange a = *ranges.take(3), b = *ranges.take(2), c = *ranges.take(4);
  CHECK((a.begin == 0 && b.begin == 3 && c.begin == 5));
  CHECK(ranges.free_rows() == 1);
  CHECK_FALSE(ranges.take(2));
  ranges.give_back(b);
  CHECK(ranges.take(1)->begin == 9);
  CHECK(ranges.take(2)->begin == 3);
  ranges.give_back({3, 2});
  ranges.give_back(a);
  CHECK(ranges.take(5)->begin == 0);
  ranges.give_back({9, 1});
  ranges.grow(5);
  CHECK(ranges.take(6)->begin == 9);
}

TEST_CASE("no row is handed out twice, and all come back", "[generate]") {
  PoolRanges ranges;
  ranges.grow(200);
  std::vector<PoolRange> taken;
  std::vector<int> owners(200, 0);
  posttrain::Philox4x32 draw(3);
  for (int i = 0; i < 2000; ++i) {
    if (draw.below(2) == 0 && !taken.empty()) {
      const auto k = static_cast<std::size_t>(draw.below(taken.size()));
      for (auto row = taken[k].begin; row < taken[k].end(); ++row) owners[row] -= 1;
      ranges.give_back(taken[k]);
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(k));
    } else if (const auto range = ranges.take(static_cast<std::int64_t>(1 + draw.below(30)))) {
      for (auto row = range->begin; row < range->end(); ++row) owners[row] += 1;
      taken.push_back(*range);
    }
    const auto used = std::ranges::count(owners, 1);
    REQUIRE(used + std::ranges::count(owners, 0) == 200);
    REQUIRE(ranges.free_rows() == 200 - used);
  }
  for (const PoolRange& range : taken) ranges.give_back(range);
  CHECK(ranges.take(200));
}
