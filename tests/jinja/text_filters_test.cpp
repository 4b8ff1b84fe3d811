// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/text_filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::Json;
using posttrain::test::render;

TEST_CASE("tojson writes what json.dumps writes, without ASCII escapes") {
  const Json data = {{"x", {{"b", 1}, {"a", "é<\"\n\u0001"}, {"c", {1.0, nullptr, true}}}}};
  CHECK(render("{{ x|tojson }}", data) ==
        "{\"b\": 1, \"a\": \"é<\\\"\\n\\u0001\", \"c\": [1.0, null, true]}");
  CHECK(render("{{ x.a|tojson(ensure_ascii=true) }}", data) == "\"\\u00e9<\\\"\\n\\u0001\"");
  CHECK(render("{{ {'a': [1, {}]}|tojson(indent=2) }}") == "{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
  CHECK(render("{{ {'a': 1}|tojson(separators=(',', ':')) }}") == "{\"a\":1}");
  CHECK_THROWS_WITH(render("{{ 1|tojson(separators=(',',)) }}"), Catch::Contains("two separators"));
}

TEST_CASE("indent leaves the first line and blank ones alone unless asked") {
  CHECK(render("{{ 'a\n\nb'|indent(2) }}") == "a\n\n  b");
  CHECK(render("{{ 'a\n\nb'|indent('> ', true, true) }}") == "> a\n> \n> b");
  CHECK_THROWS_WITH(render("{{ 1|indent }}"), Catch::Contains("expected a string, got int"));
}

TEST_CASE("Filters that change a text") {
  CHECK(
      render("{{ 'a-b (c) ǆx'|title }} {{ 'ß'|upper }} {{ 'ÀB'|lower }} {{ 'aBC'|capitalize }}") ==
      "A-B (C) Ǆx SS àb Abc");
  CHECK(render("{{ ' x '|trim }}|{{ 'xax'|trim('x') }}|{{ 'aab'|replace('a', 1, 1) }}") ==
        "x|a|1ab");
  CHECK(render("{{ '%s-%03d'|format('a', 7) }} {{ '%(n)s'|format(n=1) }}") == "a-007 1");
  CHECK_THROWS_WITH(render("{{ '%s'|format(1, n=1) }}"), Catch::Contains("not both"));
}

TEST_CASE("join prints its parts; under autoescape markup has the others escaped") {
  CHECK(render("{{ [1, none, 'a']|join('-') }}{{ [{'n': 1}, {'n': 2}]|join(',', 'n') }}") ==
        "1-None-a1,2");
  CHECK(render("{% autoescape true %}{{ ['<', '>'|safe]|join }}{% endautoescape %}") == "&lt;>");
}

TEST_CASE("escape marks its text, forceescape escapes again") {
  CHECK(render("{{ '<'|e }}{{ '<'|e|e }}{{ '<'|e|forceescape }}{{ '<'|safe|e }}") ==
        "&lt;&lt;&amp;lt;<");
  CHECK(render("{{ '<'|string is escaped }}{{ '<'|safe|string is escaped }}{{ 1|string ~ 1 }}") ==
        "FalseTrue11");
}
