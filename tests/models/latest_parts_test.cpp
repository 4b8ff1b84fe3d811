// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/latest_parts.hpp"

#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("parts are made again for other segments, or another prefix, alone", "[models]") {
  models::LatestParts latest;
  int made = 0;
  const auto get = [&](const std::vector<Segment>& nodes, std::int64_t prefix) {
    return latest.get(nodes, prefix, [&] {
      made += 1;
      models::PartsByWindow parts;
      parts.emplace(0, attention_parts(nodes));
      return parts;
    });
  };
  const std::vector<Segment> one{{0, 4, 4, 0}}, other{{0, 4, 6, 0}, {4, 6, 6, 4}};
  const auto first = get(one, 0);
  CHECK(get(one, 0) == first);
  CHECK(made == 1);
  CHECK(get(one, 3) != first);
  CHECK(get(other, 3)->at(0).list().size() == 3);
  CHECK(made == 3);
  CHECK(first->at(0).list().size() == 1);  // whoever has them keeps them
}
