// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/brace_format.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("str.format fills fields by count, place, name, attribute and item") {
  CHECK(render("{{ '{} {n}'.format(1, n=2) }} {{ '{1}{0}{{}}'.format('a', 'b') }}") == "1 2 ba{}");
  CHECK(render("{{ '{0[k]}{0.k}{1[0]}'.format({'k': 1}, [2]) }}") == "112");
  CHECK(render("{{ '{x}'.format_map({'x': 1}) }} {{ '{!r:>4}|{!s}'.format('a', 'b') }}") ==
        "1  'a'|b");
  CHECK_THROWS_WITH(render("{{ '{} {0}'.format(1) }}"), Catch::Contains("do not mix"));
  CHECK_THROWS_WITH(render("{{ '{x}'.format() }}"), Catch::Contains("no argument for 'x'"));
  CHECK_THROWS_WITH(render("{{ '{'.format() }}"), Catch::Contains("a '{' has no '}'"));
  CHECK_THROWS_WITH(render("{{ '}'.format() }}"), Catch::Contains("a '}' has no '{'"));
  CHECK_THROWS_WITH(render("{{ 'x'.format_map(1) }}"), Catch::Contains("expected a mapping"));
}

TEST_CASE("Format specifications are Python's") {
  CHECK(render("{{ '{:>5}|{:*^5}|{:05d}|{:+d}'.format('a', 'b', -42, 7) }}") ==
        "    a|**b**|-0042|+7");
  CHECK(render("{{ '{:,} {:_} {:.2f} {:.1%} {:x} {:#b}'.format(1234567, 1234, 3.14159, 0.5, 255, "
               "5) }}") == "1,234,567 1_234 3.14 50.0% ff 0b101");
  CHECK(render("{{ '{:{}}|{:.2}'.format('a', 3, 'äöü') }}") == "a  |äö");
  CHECK(render("{{ ('<{}>'|safe).format('<') }}") == "<&lt;>");
  CHECK_THROWS_WITH(render("{{ '{:d}'.format('a') }}"),
                    Catch::Contains("format code 'd' for a str"));
  CHECK_THROWS_WITH(render("{{ '{:5q}'.format(1) }}"), Catch::Contains("'q' is left over"));
}
