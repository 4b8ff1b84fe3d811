// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/layout_filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("center and truncate count characters") {
  CHECK(render("[{{ 'ä'|center(5) }}{{ 12|center(4) }}]") == "[  ä   12 ]");
  CHECK(render("{{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }}") ==
        "foo... foo ba...");
  CHECK(render("{{ 'foo bar baz'|truncate(9) }} {{ 'foo bar baz'|truncate(9, leeway=0) }}") ==
        "foo bar baz foo...");
  CHECK_THROWS_WITH(render("{{ 'abcdefghij'|truncate(2) }}"), Catch::Contains("end is longer"));
}

TEST_CASE("wordcount and filesizeformat") {
  CHECK(render("{{ 'a well-known b_c, é!'|wordcount }}") == "5");
  CHECK(render("{{ 1|filesizeformat }}|{{ 999|filesizeformat }}|{{ 13000|filesizeformat }}|"
               "{{ 4096|filesizeformat(true) }}") == "1 Byte|999 Bytes|13.0 kB|4.0 KiB");
}
