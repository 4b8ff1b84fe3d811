// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/splitting.hpp"

#include <string>
#include <vector>

#include "posttrain/jinja/print.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("strip removes white space, or any character of a set") {
  CHECK(strip(" \u3000a b\x1c", nullptr, true, true) == "a b");
  const Value set("äx");
  CHECK(strip("xäxaxä", &set, true, true) == "a");
  CHECK(strip("xa", &set, false, true) == "xa");
  const Value number(1);
  CHECK_THROWS_WITH(strip("a", &number, true, true), Catch::Contains("expected a string, got int"));
}

TEST_CASE("split by words or a separator, from either end, so many times") {
  const Value comma(",");
  const Value none("");
  CHECK(print(split(" a  b c ", nullptr, -1, false)) == "['a', 'b', 'c']");
  CHECK(print(split(" a  b c ", nullptr, 1, false)) == "['a', 'b c ']");
  CHECK(print(split(" a  b c ", nullptr, 1, true)) == "[' a  b', 'c']");
  CHECK(print(split("a,b,,c", &comma, -1, false)) == "['a', 'b', '', 'c']");
  CHECK(print(split("a,b,c", &comma, 1, true)) == "['a,b', 'c']");
  CHECK(print(split("", &comma, -1, false)) == "['']");
  CHECK(print(split("", nullptr, -1, false)) == "[]");
  CHECK_THROWS_WITH(split("a", &none, -1, false), Catch::Contains("empty separator"));
}

TEST_CASE("Lines end at every mark that Python knows; \\r\\n is one") {
  CHECK(split_lines("a\r\nb\n\nc\u2028d\x1c") == std::vector<std::string>{"a", "b", "", "c", "d"});
  CHECK(split_lines("a\r\nb\n", true) == std::vector<std::string>{"a\r\n", "b\n"});
  CHECK(split_lines("").empty());
}

TEST_CASE("replace: every match, so many, or between all characters") {
  CHECK(replace("aXbXc", "X", "--", -1) == "a--b--c");
  CHECK(replace("aXbXc", "X", "", 1) == "abXc");
  CHECK(replace("äb", "", "-", -1) == "-ä-b-");
  CHECK(replace("äb", "", "-", 2) == "-ä-b");
  CHECK(replace("ab", "x", "y", -1) == "ab");
}
