// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/value.hpp"

#include <limits>
#include <string>

#include "posttrain/jinja/function.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("A template value knows its type as Python names it, and its truth") {
  CHECK(Value().type_name() == "undefined");
  CHECK(Value(nullptr).type_name() == "None");
  CHECK(Value(true).type_name() == "bool");
  CHECK(Value(1.5).type_name() == "float");
  CHECK(Value("x").type_name() == "str");
  CHECK(Value(List{}, Sequence::kGroup).type_name() == "tuple");
  CHECK(Value(Dict{}).type_name() == "dict");
  for (const Value& empty : {Value(), Value(nullptr), Value(0), Value(0.0), Value(""),
                             Value(List{}), Value(Dict{}), Value(false)}) {
    CHECK_FALSE(empty.truth());
  }
  CHECK(Value(List{}, Sequence::kGenerator).truth());  // a generator, even an empty one
  CHECK(Value(std::numeric_limits<double>::quiet_NaN()).truth());
}

TEST_CASE("Template values compare as in Python: 1 == 1.0 == true, no other types mix") {
  CHECK(Value(1) == Value(1.0));
  CHECK(Value(true) == Value(1));
  CHECK_FALSE(Value("1") == Value(1));
  CHECK_FALSE(Value(nullptr) == Value(false));
  CHECK(Value(List{1, "a"}) == Value(List{1.0, "a"}));
  CHECK_FALSE(Value(List{1}) == Value(List{1}, Sequence::kTuple));
  CHECK(Value(List{1}, Sequence::kGroup) == Value(List{1}, Sequence::kTuple));
  CHECK(Value(List{1, 2}, Sequence::kKeys) == Value(List{2, 1}, Sequence::kKeys));
  CHECK_FALSE(Value(List{1, 2}, Sequence::kValues) == Value(List{1, 2}, Sequence::kValues));
  Dict a, b;
  a.set("x", 1);
  a.set("y", 2);
  b.set("y", 2);
  b.set("x", 1);
  CHECK(Value(a) == Value(b));
  b.set("x", 3);
  CHECK_FALSE(Value(a) == Value(b));
  CHECK(Value("a").same(Value("a")));
  CHECK_FALSE(Value(List{1}).same(Value(List{1})));
}

TEST_CASE("A dict keeps the order of its keys, and 1, 1.0 and true are one key") {
  Dict dict;
  dict.set("b", 1);
  dict.set("a", 2);
  dict.set("b", 3);
  dict.set(1, "int");
  dict.set(true, "bool");
  REQUIRE(dict.items.size() == 3);
  CHECK(dict.items[0].first.text() == "b");
  CHECK(dict.find("b")->integer() == 3);
  CHECK(dict.find(Value(1.0))->text() == "bool");
  CHECK(dict.find("c") == nullptr);
}

TEST_CASE("A value that is nested too deeply cannot be made") {
  Value value(1);
  for (int i = 0; i < kDeepestValue; ++i) value = Value(List{value});
  CHECK(value.depth() == kDeepestValue);
  CHECK_THROWS_WITH(Value(List{value}), Catch::Contains("nested too deeply"));
  Dict dict;
  dict.set("x", value);
  CHECK_THROWS_WITH(Value(dict), Catch::Contains("nested too deeply"));
  const auto call = [](Runtime&, const Arguments&) { return Value(); };
  CHECK_THROWS_WITH(Value::function("f", call, value.depth()), Catch::Contains("too deeply"));
}

TEST_CASE("integer() says what it got, and an undefined value its own hint") {
  CHECK(Value(true).integer() == 1);
  CHECK_THROWS_WITH(Value(1.0).integer(), Catch::Contains("expected an integer, got float"));
  CHECK_THROWS_WITH(Value::undefined("'x' is undefined").integer(),
                    Catch::Contains("'x' is undefined"));
}
