// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/ordering.hpp"

#include <cmath>

#include "posttrain/jinja/print.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

Value record(const char* name, int n) {
  Dict dict;
  dict.set("name", name);
  dict.set("n", List{n});
  return dict;
}

}  // namespace

TEST_CASE("A path goes through attributes and items, with a stand-in for what is missing") {
  const Value value = record("x", 7);
  CHECK(follow(value, "n.0").integer() == 7);
  CHECK(follow(value, "name").text() == "x");
  CHECK(follow(List{5, 6}, 1).integer() == 6);
  CHECK(follow(value, "nope").is_undefined());
  const Value preset("p");
  CHECK(follow(value, "nope", &preset).text() == "p");
  CHECK_THROWS_WITH(follow(value, "nope.deeper"), Catch::Contains("has no attribute"));
}

TEST_CASE("Sorting is stable and blind to case unless asked, by one attribute or several") {
  CHECK(print(sorted(List{"b", "A", "a", "B"}, nullptr, false, false)) == "['A', 'a', 'b', 'B']");
  CHECK(print(sorted(List{"b", "A", "a"}, nullptr, true, false)) == "['A', 'a', 'b']");
  CHECK(print(sorted(List{"b", "A", "a"}, nullptr, false, true)) == "['b', 'A', 'a']");
  const List records{record("b", 1), record("a", 2), record("a", 1)};
  const Value by("name,n.0");
  const List out = sorted(records, &by, false, false);
  CHECK(out == List{records[2], records[1], records[0]});
  CHECK_THROWS_WITH(sorted(List{1, "a"}, nullptr, false, false),
                    Catch::Contains("not supported between"));
}

TEST_CASE("NaN breaks the order, not the sort") {
  List items;
  for (int i = 0; i < 50; ++i) items.emplace_back(i % 3 == 0 ? Value(NAN) : Value(50 - i));
  CHECK(sorted(items, nullptr, false, false).size() == 50);
}
