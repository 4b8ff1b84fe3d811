// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/join.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"

using posttrain::join;

TEST_CASE("a range is joined with separators between its elements only") {
  CHECK(join(std::vector<std::int64_t>{1, -2, 3}, ", ") == "1, -2, 3");
  CHECK(join(std::array<std::string, 1>{"one"}, ", ") == "one");
  CHECK(join(std::vector<int>{}, ", ").empty());
  CHECK(join(std::vector<std::string>{"", ""}, "-") == "-");
  CHECK(join(std::array{0.5, 1e-7}, " ") == "0.5 1e-07");
}
