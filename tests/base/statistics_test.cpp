// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/statistics.hpp"

#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a deviation is unbiased, and exactly 0 of equal numbers") {
  const std::vector<double> numbers{1.0, 2.0, 6.0};
  CHECK(mean_of(numbers) == 3.0);
  CHECK(variance_of(numbers) == 7.0);
  CHECK(deviation_of(std::vector<double>{-1.0, 1.0}) == Approx(1.4142135623730951));
  const std::vector<double> tenths(3, 0.1);  // whose mean rounds to another number
  CHECK(mean_of(tenths) != 0.1);
  CHECK(deviation_of(tenths) == 0.0);
}

TEST_CASE("numbers are equal where no two of them differ") {
  CHECK(all_equal(std::vector<double>{}));
  CHECK(all_equal(std::vector<double>{0.3}));
  CHECK(all_equal(std::vector<double>{0.3, 0.3}));
  CHECK_FALSE(all_equal(std::vector<double>{0.3, 0.3, 0.30000000000000004}));
  CHECK(variance_of(std::vector<double>{0.3}) == 0.0);
}
