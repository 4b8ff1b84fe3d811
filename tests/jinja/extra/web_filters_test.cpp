// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/web_filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("xmlattr writes what is set, escaped") {
  CHECK(render("{{ {'a': '<', 'b': none, 'c': 1}|xmlattr }}") == " a=\"&lt;\" c=\"1\"");
  CHECK(render("{{ {'a': 1}|xmlattr(false) }}{{ {}|xmlattr }}") == "a=\"1\"");
  CHECK_THROWS_WITH(render("{{ {'a b': 1}|xmlattr }}"), Catch::Contains("got 'a b'"));
  CHECK_THROWS_WITH(render("{{ 1|xmlattr }}"), Catch::Contains("expected a mapping, got int"));
}

TEST_CASE("striptags and urlencode") {
  CHECK(render("{{ '<b>x &amp;  y</b> <!-- <c> --> &#39;z'|striptags }}") == "x & y 'z");
  CHECK(render("{{ 'a b/ü?'|urlencode }} {{ {'a b': 1, 'c': '&/'}|urlencode }}") ==
        "a%20b/%C3%BC%3F a+b=1&c=%26%2F");
  CHECK_THROWS_WITH(render("{{ [1]|urlencode }}"), Catch::Contains("is not iterable"));
}
