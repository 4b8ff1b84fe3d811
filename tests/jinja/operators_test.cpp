// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/operators.hpp"

#include <string>

#include "posttrain/jinja/print.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

std::string cut(const Value& value, const Value& start, const Value& stop,
                const Value& step = nullptr) {
  return print(slice(value, start, stop, step));
}

}  // namespace

TEST_CASE("Slices count as Python's, from either end and past it") {
  const Value text("äbcd");
  CHECK(cut(text, nullptr, nullptr) == "äbcd");
  CHECK(cut(text, 1, -1) == "bc");
  CHECK(cut(text, -9, 2) == "äb");
  CHECK(cut(text, 3, 99) == "d");
  CHECK(cut(text, nullptr, nullptr, -1) == "dcbä");
  CHECK(cut(text, 2, nullptr, -2) == "cä");
  CHECK(cut(text, 5, 2) == "");
  CHECK(cut(List{1, 2, 3}, 1, nullptr) == "[2, 3]");
  CHECK(cut(Value(List{2, 4, 6}, Sequence::kRange, {2, 8, 2}), 1, nullptr) == "range(4, 8, 2)");
  CHECK_THROWS_WITH(cut(text, 0, 1, 0), Catch::Contains("slice step cannot be zero"));
  CHECK_THROWS_WITH(cut(Dict{}, 0, 1), Catch::Contains("'dict' object cannot be sliced"));
}

TEST_CASE("A generator gives each item once, in a loop or to `in`") {
  const Value generator(List{1, 2, 3}, Sequence::kGenerator);
  CHECK(contains(generator, 2));
  CHECK(iterate(generator) == List{3});
  CHECK(iterate(generator).empty());
  CHECK_THROWS_WITH(length(generator), Catch::Contains("has no len()"));
}

TEST_CASE("Membership: substrings, keys, items; a list is no key") {
  CHECK(contains("cat", "a"));
  CHECK_THROWS_WITH(contains("cat", 1), Catch::Contains("requires string as left operand"));
  Dict dict;
  dict.set("k", 1);
  CHECK(contains(dict, "k"));
  CHECK_FALSE(contains(dict, 1));
  CHECK_THROWS_WITH(contains(dict, List{}), Catch::Contains("unhashable type: 'list'"));
  CHECK_THROWS_WITH(check_key(Value(List{Value(List{})}, Sequence::kTuple)),
                    Catch::Contains("unhashable"));
  CHECK_THROWS_WITH(iterate(1), Catch::Contains("'int' object is not iterable"));
}

TEST_CASE("Order: numbers with numbers, texts with texts, lists item by item, nothing else") {
  CHECK(order(1, 1.5) < 0);
  CHECK(order(true, 1) == 0);
  CHECK(order("B", "a") < 0);
  CHECK(order(List{1, 2}, List{1, 3}) < 0);
  CHECK(order(List{1}, List{1, 0}) < 0);
  CHECK_THROWS_WITH(order(1, "a"), Catch::Contains("not supported between 'int' and 'str'"));
  CHECK_THROWS_WITH(order(List{}, Value(List{}, Sequence::kTuple)),
                    Catch::Contains("not supported between"));
}
