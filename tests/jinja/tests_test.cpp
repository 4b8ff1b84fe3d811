// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/tests.hpp"

#include "posttrain/jinja/function.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

bool holds(const Value& value, const char* test) { return apply_test(test, value, {}); }
bool holds(const Value& value, const char* test, const Value& argument) {
  return apply_test(test, value, {{argument}, {}});
}

}  // namespace

TEST_CASE("Tests of types") {
  CHECK(holds(Value(), "undefined"));
  CHECK(holds(Value(nullptr), "defined"));
  CHECK(holds(nullptr, "none"));
  CHECK(holds(true, "boolean"));
  CHECK_FALSE(holds(true, "integer"));
  CHECK_FALSE(holds(1, "true"));
  CHECK(holds(true, "number"));
  CHECK(holds("x", "sequence"));
  CHECK(holds(Dict{}, "sequence"));
  CHECK(holds(Dict{}, "mapping"));
  CHECK_FALSE(holds(Value(List{}, Sequence::kGenerator), "sequence"));
  CHECK(holds(Value(List{}, Sequence::kGenerator), "iterable"));
  CHECK_FALSE(holds(1, "iterable"));
  CHECK(holds(Value(), "callable"));
  CHECK(holds(Value("<", true), "escaped"));
}

TEST_CASE("Tests of values") {
  CHECK(holds(3, "odd"));
  CHECK(holds(-3, "odd"));
  CHECK(holds(4, "divisibleby", 2));
  CHECK(holds("a", "in", "cat"));
  CHECK(holds(1, "eq", 1.0));
  CHECK(holds(1, "lessthan", 2));
  CHECK_FALSE(holds(List{1}, "sameas", List{1}));
  CHECK(holds("ABC", "upper"));
  CHECK(holds("join", "filter"));
  CHECK_FALSE(holds("nope", "filter"));
  CHECK(holds("odd", "test"));
}

TEST_CASE("A test without its argument, or that there is not, is an error") {
  CHECK_THROWS_WITH(holds(1, "eq"), Catch::Contains("the test needs an argument"));
  CHECK_THROWS_WITH(holds(1, "nope"), Catch::Contains("the test 'nope' is not supported"));
  CHECK_THROWS_WITH(holds(1, "lt", "a"), Catch::Contains("not supported between"));
  CHECK_FALSE(has_test("nope"));
}
