// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/printf_format.hpp"

#include <string>

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

Value tuple(List items) { return Value(std::move(items), Sequence::kTuple); }

}  // namespace

TEST_CASE("Conversions pad and round as Python's %") {
  CHECK(printf_format("%5d|%-5d|%05d|%+d", tuple({42, 42, -42, 42})) == "   42|42   |-0042|+42");
  CHECK(printf_format("%x %X %o %#x", tuple({255, 255, 8, 255})) == "ff FF 10 0xff");
  CHECK(printf_format("%.2f %8.3e %g", tuple({3.14159, 12345.678, 0.0001})) ==
        "3.14 1.235e+04 0.0001");
  CHECK(printf_format("%s %r %c %%", tuple({"a", "a", 0x20AC})) == "a 'a' € %");
  CHECK(printf_format("%6s|%-6s|%.2s", tuple({"äö", "äö", "äöü"})) == "    äö|äö    |äö");
  CHECK(printf_format("%*d", tuple({4, 7})) == "   7");
  CHECK(printf_format("%d", 3.9) == "3");
}

TEST_CASE("Values come in order from a tuple, by name from a dict") {
  Dict dict;
  dict.set("n", 3);
  CHECK(printf_format("%(n)d-%(n)s", dict) == "3-3");
  CHECK_THROWS_WITH(printf_format("%(m)s", dict), Catch::Contains("missing key 'm'"));
  CHECK_THROWS_WITH(printf_format("%(n)s", 1), Catch::Contains("requires a mapping"));
  CHECK_THROWS_WITH(printf_format("%s %s", tuple({1})), Catch::Contains("not enough arguments"));
  CHECK_THROWS_WITH(printf_format("%s", tuple({1, 2})), Catch::Contains("not all arguments"));
  CHECK_THROWS_WITH(printf_format("%d", "a"), Catch::Contains("a number is required, not str"));
  CHECK_THROWS_WITH(printf_format("%y", 1), Catch::Contains("format character 'y'"));
  CHECK_THROWS_WITH(printf_format("%", 1), Catch::Contains("incomplete format"));
}
