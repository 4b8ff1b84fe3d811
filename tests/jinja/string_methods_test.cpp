// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/string_methods.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("Methods that look into a string count characters, not bytes") {
  CHECK(render("{{ 'äöäü'.find('ä', 1) }} {{ 'äöäü'.rfind('ä') }} {{ 'abc'.find('z') }}") ==
        "2 2 -1");
  CHECK(render("{{ 'äb'.startswith('b', 1) }}{{ 'äb'.endswith(('x', 'b')) }}") == "TrueTrue");
  CHECK(render("{{ 'ababa'.count('aba') }} {{ 'äb'.count('') }} {{ 'aXa'.count('a', 1) }}") ==
        "1 3 1");
  CHECK_THROWS_WITH(render("{{ 'x'.index('y') }}"), Catch::Contains("substring not found"));
  CHECK_THROWS_WITH(render("{{ 'x'.startswith(1) }}"), Catch::Contains("a tuple of strings"));
}

TEST_CASE("Methods that cut and join") {
  CHECK(render("{{ ' a b '.split() }}{{ 'a,b'.split(',') }}{{ 'a,b,c'.rsplit(',', 1) }}") ==
        "['a', 'b']['a', 'b']['a,b', 'c']");
  CHECK(render(
            "{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'a'.rpartition('-') }}") ==
        "('a', '-', 'b-c')('a-b', '-', 'c')('', '', 'a')");
  CHECK(
      render("{{ ', '.join('ab') }} {{ 'aab'.replace('a', 'x', 1) }} {{ 'a\nb'.splitlines() }}") ==
      "a, b xab ['a', 'b']");
  CHECK(render("{{ 'xay'.removeprefix('x').removesuffix('y') }}{{ 'xax'.strip('x') }}") == "aa");
  CHECK_THROWS_WITH(render("{{ ','.join([1]) }}"), Catch::Contains("expected strings, got int"));
}

TEST_CASE("Methods that pad") {
  CHECK(render("[{{ 'ab'.center(5, '*') }}|{{ 'ab'.ljust(4) }}|{{ 'ä'.rjust(3, '.') }}]") ==
        "[**ab*|ab  |..ä]");
  CHECK(render("{{ '-7'.zfill(4) }} {{ 'a\tb'.expandtabs(4) }}") == "-007 a   b");
  CHECK_THROWS_WITH(render("{{ 'a'.center(9, 'xy') }}"), Catch::Contains("exactly one character"));
  CHECK_THROWS_WITH(render("{{ 'a'.ljust(9999999) }}"), Catch::Contains("a width of more than"));
}

TEST_CASE("Methods that ask what characters are") {
  CHECK(
      render("{{ '١٢'.isdigit() }}{{ '²'.isdecimal() }}{{ '½'.isnumeric() }}{{ ''.isalpha() }}") ==
      "TrueFalseTrueFalse");
  CHECK(render("{{ 'x1_'.isidentifier() }}{{ '1x'.isidentifier() }}{{ 'a\n'.isprintable() }}") ==
        "TrueFalseFalse");
}
