// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/support.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("A support has the ids of each place, replies between turns none", "[batch]") {
  Support turn;
  turn.add(TokenIds{3, 7});
  turn.add(TokenIds{});
  CHECK(turn.ids == TokenIds{3, 7});
  CHECK(turn.sizes == std::vector<std::int32_t>{2, 0});
  Support sample;
  sample.append(turn, 0);
  CHECK(sample == turn);
  sample.append(turn, 5);  // behind a reply of three ids
  CHECK(sample.ids == TokenIds{3, 7, 3, 7});
  CHECK(sample.sizes == std::vector<std::int32_t>{2, 0, 0, 0, 0, 2, 0});
}
