// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/epoch_order.hpp"

#include <map>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;
using data::Draw;
using data::EpochOrder;

TEST_CASE("an epoch draws every record once, in an order of seed, stream and epoch", "[data]") {
  const EpochOrder order(30, 1, 7), other_seed(30, 2, 7), other_stream(30, 1, 8);
  CHECK(order.size() == 30);
  std::set<std::vector<std::int64_t>> orders;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    for (const EpochOrder* each : {&order, &other_seed, &other_stream}) {
      std::vector<std::int64_t> records;
      for (const Draw& draw : each->draws(epoch)) {
        CHECK(draw.pass == epoch);
        records.push_back(draw.record);
      }
      CHECK(std::set<std::int64_t>(records.begin(), records.end()).size() == 30);
      orders.insert(records);
    }
  }
  CHECK(orders.size() == 9);
  CHECK(order.draws(1) == order.draws(1));
}

TEST_CASE("an epoch of a mixture draws the parts' shares, and no record twice in a pass",
          "[data]") {
  // 20 draws an epoch: 5 of ten records, 13 of four, 2 of six.
  const EpochOrder order(20, 3, 7, {{10, 0.25}, {4, 0.65}, {6, 0.1}});
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::map<std::int64_t, int> times;
  for (std::int64_t epoch = 0; epoch < 12; ++epoch) {
    int parts[3] = {0, 0, 0};
    for (const Draw& draw : order.draws(epoch)) {
      ++parts[draw.record < 10 ? 0 : draw.record < 14 ? 1 : 2];
      CHECK(seen.insert({draw.record, draw.pass}).second);
      ++times[draw.record];
    }
    CHECK(parts[0] == 5);
    CHECK(parts[1] == 13);
    CHECK(parts[2] == 2);
  }
  // 60 draws of ten records are six whole passes, and so on.
  for (std::int64_t record = 0; record < 20; ++record) {
    CHECK(times[record] == (record < 10 ? 6 : record < 14 ? 39 : 4));
  }
}

TEST_CASE("a mixture's epoch may have a size of its own; parts are all records", "[data]") {
  const EpochOrder order(6, 3, 7, {{3, 0.5}, {3, 0.5}}, 40);
  CHECK(order.size() == 40);
  CHECK(order.draws(0).size() == 40);
  CHECK_THROWS_WITH(EpochOrder(7, 3, 7, {{3, 0.5}, {3, 0.5}}),
                    Catch::Contains("the parts of the mixture have 6 sequences, expected 7"));
}
