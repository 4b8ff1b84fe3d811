// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/loop_variable.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("loop counts from both ends and knows its neighbours") {
  CHECK(
      render("{% for x in 'ab' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
             "{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}") ==
      "1021TrueFalse2 2110FalseTrue2 ");
  CHECK(
      render("{% for x in [1,2] %}{{ loop.previtem is defined }}{{ loop.nextitem }}{% endfor %}") ==
      "False2True");
  CHECK(render("{% for x in [1,1,2] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }}"
               "{% endfor %}") == "TrueaFalsebTruea");
}

TEST_CASE("A recursive loop calls itself, deeper each time") {
  CHECK(render("{% for x in [1, [2, [3]]] recursive %}"
               "{{ loop.depth ~ ':' ~ x ~ ' ' if x is number else loop(x) }}{% endfor %}") ==
        "1:1 2:2 3:3 ");
  CHECK_THROWS_WITH(render("{% for x in [1] %}{{ loop([]) }}{% endfor %}"),
                    Catch::Contains("'recursive' marker"));
  CHECK_THROWS_WITH(render("{% set n = namespace() %}{% with %}{% for x in [1] recursive %}"
                           "{% set n.l = loop %}{% endfor %}{% endwith %}{{ n.l([2]) }}"),
                    Catch::Contains("cannot be called behind its end"));
}
