// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/macro.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("Macros take arguments by place and name, with defaults that see earlier ones") {
  CHECK(render("{% macro f(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}") ==
        "1x12");
  CHECK(render("{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(3) }}") == "3");
  CHECK(render("{% macro f(n) %}{{ n }}{{ f(n - 1) if n else '' }}{% endmacro %}{{ f(3) }}") ==
        "3210");
  CHECK(render("{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, a=2) }}") ==
        "(1,){'a': 2}");
  CHECK_THROWS_WITH(render("{% macro f() %}{% endmacro %}{{ f(1) }}"),
                    Catch::Contains("macro 'f' takes not more than 0 argument(s)"));
  CHECK_THROWS_WITH(render("{% macro f() %}{% endmacro %}{{ f(a=1) }}"),
                    Catch::Contains("no keyword argument 'a'"));
}

TEST_CASE("A macro sees the scope it was defined in, not its caller's") {
  CHECK(render("{% macro f() %}{{ x }}{% endmacro %}{% for x in [1] %}{{ f() }}{% endfor %}|") ==
        "|");
  CHECK(render("{% set x = 2 %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}") == "2");
}

TEST_CASE("A call block is the macro's caller, and may take arguments") {
  CHECK(render("{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}") ==
        "<in>");
  CHECK(
      render("{% macro f() %}{{ caller(2) }}{% endmacro %}{% call(n) f() %}{{ n }}{% endcall %}") ==
      "2");
  CHECK_THROWS_WITH(render("{% call range(1) %}{% endcall %}"), Catch::Contains("needs a macro"));
}

TEST_CASE("A macro knows its name and parameters") {
  CHECK(render("{% macro f(a, b) %}{{ kwargs }}{% endmacro %}{{ f.name }}{{ f.arguments }}"
               "{{ f.catch_kwargs }}{{ f.catch_varargs }}{{ f.nope is defined }}") ==
        "f('a', 'b')TrueFalseFalse");
}
