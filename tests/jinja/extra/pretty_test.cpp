// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/pretty.hpp"

#include <string>

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("pprint sorts dicts and breaks what is wider than 80 characters") {
  CHECK(render("{{ {'b': 1, 'a': (2,)}|pprint }}") == "{'a': (2,), 'b': 1}");
  CHECK(render("{{ {'b': 1, 'a': ['x' * 50, 'y' * 50]}|pprint }}") ==
        "{'a': ['" + std::string(50, 'x') + "',\n       '" + std::string(50, 'y') +
            "'],\n 'b': 1}");
}

TEST_CASE("pprint cuts a long text between its words") {
  const std::string words = "aaaa bbbb cccc dddd ";  // 20 characters
  const std::string line = words + words + words + "aaaa bbbb cccc ";
  CHECK(render("{{ x|pprint }}", {{"x", line + "dddd eeee"}}) == "('" + line + "'\n 'dddd eeee')");
}
