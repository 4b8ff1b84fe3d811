// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/number_filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("int and float read texts as Python does, with a preset for the rest") {
  CHECK(render("{{ ' 42 '|int }} {{ '3.7'|int }} {{ '1_000'|int }} {{ '0x1f'|int(base=16) }}") ==
        "42 3 1000 31");
  CHECK(render("{{ 'x'|int }} {{ 'x'|int(5) }} {{ none|int(6) }} {{ '1__0'|int }}") == "0 5 6 0");
  CHECK(render("{{ '1e3'|float }} {{ 'inf'|float }} {{ 'x'|float(1.5) }} {{ '1_0.5'|float }}") ==
        "1000.0 inf 1.5 10.5");
  CHECK_THROWS_WITH(render("{{ '99999999999999999999'|int }}"), Catch::Contains("beyond 64 bits"));
  CHECK_THROWS_WITH(render("{{ x|int }}"), Catch::Contains("'x' is undefined"));
}

TEST_CASE("round goes to even, or up, or down") {
  CHECK(render("{{ 2.5|round }} {{ 3.5|round|int }} {{ 2.675|round(2) }} {{ 7|round }}") ==
        "2.0 4 2.67 7");
  CHECK(render("{{ 2.1|round(method='ceil') }} {{ 2.19|round(1, 'floor') }} {{ 15|round(-1) }}") ==
        "3.0 2.1 20");
  CHECK_THROWS_WITH(render("{{ 1|round(0, 'up') }}"), Catch::Contains("common, ceil or floor"));
}

TEST_CASE("abs keeps the type, and refuses what has no absolute value") {
  CHECK(render("{{ -2|abs }} {{ -2.5|abs }} {{ true|abs }}") == "2 2.5 1");
  CHECK_THROWS_WITH(render("{{ 'a'|abs }}"), Catch::Contains("expected an integer, got str"));
  CHECK_THROWS_WITH(render("{{ x|abs }}", {{"x", std::int64_t{-9223372036854775807LL - 1}}}),
                    Catch::Contains("integer overflow"));
}
