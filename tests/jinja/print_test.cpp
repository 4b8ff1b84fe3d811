// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/print.hpp"

#include <cmath>
#include <string>

#include "posttrain/jinja/operators.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("Floats print as Python's repr") {
  CHECK(print_float(1.0) == "1.0");
  CHECK(print_float(0.1) == "0.1");
  CHECK(print_float(-0.0) == "-0.0");
  CHECK(print_float(1e15) == "1000000000000000.0");
  CHECK(print_float(1e16) == "1e+16");
  CHECK(print_float(0.0001) == "0.0001");
  CHECK(print_float(0.00001) == "1e-05");
  CHECK(print_float(INFINITY) == "inf");
  CHECK(print_float(NAN) == "nan");
}

TEST_CASE("A string is quoted with the mark that it does not hold") {
  CHECK(quote("a") == "'a'");
  CHECK(quote("it's") == "\"it's\"");
  CHECK(quote("'\"") == "'\\'\"'");
  CHECK(quote("\\\n\t\x01") == "'\\\\\\n\\t\\x01'");
  CHECK(quote("é\u00A0\u200B\U000E0001") == "'é\\xa0\\u200b\\U000e0001'");
}

TEST_CASE("Containers print their items quoted") {
  Dict dict;
  dict.set("k", List{1, "x", nullptr});
  dict.set(2, Value(List{true}, Sequence::kTuple));
  CHECK(print(dict) == "{'k': [1, 'x', None], 2: (True,)}");
  CHECK(print(Value(List{1, 2}, Sequence::kKeys)) == "dict_keys([1, 2])");
  CHECK(print(Value(List{0, 2}, Sequence::kRange, {0, 4, 2})) == "range(0, 4, 2)");
  CHECK(print(Value(List{0}, Sequence::kRange, {0, 1, 1})) == "range(0, 1)");
  CHECK(print(Value()) == "");
  CHECK(repr(Value("a", true)) == "Markup('a')");
}
