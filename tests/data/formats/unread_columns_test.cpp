// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/unread_columns.hpp"

#include "support/catch.hpp"

using posttrain::data::UnreadColumns;

TEST_CASE("unread columns are counted by name, the first twenty") {
  UnreadColumns columns;
  CHECK(columns.empty());
  for (int i = 0; i < 30; ++i) columns.add(fmt::format("c{}", i % 25));
  CHECK(columns.counts().size() == UnreadColumns::kMost);
  CHECK(columns.counts()[3].second == 2);
  UnreadColumns other;
  other.add("c3", 5);
  other.merge(columns);
  CHECK(other.counts()[0].second == 7);
  CHECK(other.description().starts_with("'c3' (7 samples), 'c0' (2), 'c1' (2)"));
}
