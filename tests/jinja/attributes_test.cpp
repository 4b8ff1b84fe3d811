// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/attributes.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;
using posttrain::test::render;

TEST_CASE("a.b tries the attribute first, a['b'] the item") {
  CHECK(render("{{ {'items': 1}['items'] }}{{ {'items': 1}.items() }}{{ {'a': 2}.a }}") ==
        "1dict_items([('items', 1)])2");
  CHECK(render("{{ [1, 2][-1] }}{{ 'ab'[5] }}{{ [1].0 }}{{ 'a'['upper']() }}") == "21A");
  CHECK(render("{{ range(1, 9, 2).step }}") == "2");
  CHECK(attribute(List{}, "nope").hint() == "'list object' has no attribute 'nope'");
  CHECK_THROWS_WITH(attribute(Value::undefined("'x' is undefined"), "a"),
                    Catch::Contains("'x' is undefined"));
}

TEST_CASE("Names with a leading underscore and methods that change their object are undefined") {
  CHECK(render("{{ ''.__class__ is defined }}{{ {}._x is defined }}") == "FalseFalse");
  for (const char* call : {"[].append(1)", "{}.update({})", "[1].pop()", "{}.setdefault(1, 2)"}) {
    INFO(call);
    CHECK_THROWS_WITH(render(std::string("{{ ") + call + " }}"),
                      Catch::Contains("changes its object"));
  }
}

TEST_CASE("Methods of dicts and lists") {
  CHECK(render("{% set d = {'a': 1} %}{{ d.get('a') }}{{ d.get('b') }}{{ d.get('b', 2) }}"
               "{{ d.keys()|list }}{{ d.values()|list }}") == "1None2['a'][1]");
  CHECK(render("{{ [1, 2, 1].count(1) }}{{ [1, 2].index(2) }}{{ (1,).copy is defined }}") ==
        "21False");
  CHECK_THROWS_WITH(render("{{ [1].index(2) }}"), Catch::Contains("not in the list"));
  CHECK_THROWS_WITH(render("{{ {}.get([]) }}"), Catch::Contains("unhashable"));
}

TEST_CASE("A method of markup escapes what it puts in, and returns markup") {
  CHECK(render("{{ ('<a>'|safe).replace('a', '<') }} {{ (','|safe).join(['<', '>'|safe]) }}") ==
        "<&lt;> &lt;,>");
  CHECK(render("{{ ('a b'|safe).split()[0] is escaped }}") == "True");
}
