// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;
using posttrain::text::jinja::has_filter;
using posttrain::text::jinja::unknown_filter;

TEST_CASE("Filters that ask any value") {
  CHECK(render("{{ x|default('d') }}{{ ''|default('e', true) }}{{ none|default('f') }}{{ x|d }}") ==
        "deNone");
  CHECK(render("{{ 'äb'|length }}{{ {'a': 1}|count }}{{ 'ab'|list }}") == "21['a', 'b']");
  CHECK(render("{{ {'role': 1}|attr('role') is defined }}{{ 'a'|attr('upper') is callable }}") ==
        "FalseTrue");
}

TEST_CASE("A filter that there is not is an error, where it runs at the latest") {
  CHECK(has_filter("tojson"));
  CHECK_FALSE(has_filter("nope"));
  CHECK(unknown_filter("nope") == "the filter 'nope' is not supported");
  CHECK(render("{% if false %}{{ 1|nope }}{% endif %}{{ 2 if true else 1|nope }}") == "2");
  CHECK_THROWS_WITH(render("{% if true %}\n{{ 1|nope }}{% endif %}"),
                    Catch::Contains("line 2, column 6: the filter 'nope' is not supported"));
  CHECK_THROWS_WITH(render("{{ [1]|map('nope')|list }}"), Catch::Contains("'nope' is not supp"));
}

TEST_CASE("The filter random is refused where it runs") {
  CHECK_THROWS_WITH(render("{{ [1, 2]|random }}"), Catch::Contains("the filter 'random'"));
  CHECK(render("{% if false %}{{ [1]|random }}{% endif %}") == "");
}
