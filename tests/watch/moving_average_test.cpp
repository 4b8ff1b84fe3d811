// SPDX-License-Identifier: Apache-2.0
#include "posttrain/watch/moving_average.hpp"

#include "support/catch.hpp"

using posttrain::watch::moving_average;

TEST_CASE("a moving average is pandas' ewm(span, adjust=False)", "[watch]") {
  using Numbers = std::vector<double>;
  // pandas.Series([4, 0, 8, 2]).ewm(span=3, adjust=False).mean()
  CHECK(moving_average({4, 0, 8, 2}, 3) == Numbers{4, 2, 5, 3.5});
  CHECK(moving_average({4, 0, 8, 2}, 1) == Numbers{4, 0, 8, 2});
  CHECK(moving_average({31, 0}, 30) == Numbers{31, 29});
  CHECK(moving_average({}, 30).empty());
}
