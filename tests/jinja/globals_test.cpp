// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/globals.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("range is Python's, but bounded") {
  CHECK(render("{{ range(3)|list }}{{ range(1, 7, 3)|list }}{{ range(2, 0, -1)|list }}") ==
        "[0, 1, 2][1, 4][2, 1]");
  CHECK_THROWS_WITH(render("{{ range(1000000) }}"), Catch::Contains("at most 100000 items"));
  CHECK_THROWS_WITH(render("{{ range(1, 2, 0) }}"), Catch::Contains("must not be zero"));
}

TEST_CASE("dict, joiner, cycler") {
  CHECK(render("{{ dict([('a', 1)], b=2) }}{{ dict.fromkeys('xy', 0) }}") ==
        "{'a': 1, 'b': 2}{'x': 0, 'y': 0}");
  CHECK(render("{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}{{ j.used }}") == "a|b|True");
  CHECK(render("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}"
               "{{ c.current }}{{ c.reset() }}{{ c.pos }}") == "ababNone0");
  CHECK_THROWS_WITH(render("{{ cycler() }}"), Catch::Contains("at least one item"));
  CHECK_THROWS_WITH(render("{{ namespace(_a=1) }}"), Catch::Contains("leading underscore"));
}

TEST_CASE("transformers' functions, and what is random") {
  CHECK_THROWS_WITH(render("{{ raise_exception('no ' ~ 1) }}"), Catch::Contains(": no 1"));
  CHECK(render("{{ strftime_now('%Y')|length }}{{ strftime_now('x%%') }}") == "4x%");
  CHECK_THROWS_WITH(render("{{ lipsum() }}"), Catch::Contains("the function 'lipsum'"));
  CHECK(render("{% if false %}{{ lipsum() }}{% endif %}{{ lipsum is defined }}") == "True");
}
