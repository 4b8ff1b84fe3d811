// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/evaluator.hpp"

#include <string>
#include <utility>

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::Error;
using posttrain::test::render;
using posttrain::test::run_template;

TEST_CASE("Expressions are Python's") {
  CHECK(render("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e20 }}") ==
        "3 -4 2 3.5 1024 1e+20");
  CHECK(render("{{ 'a' ~ 1 ~ none ~ true }} {{ 'ab' * 2 }} {{ [1] + [2] }}") ==
        "a1NoneTrue abab [1, 2]");
  CHECK(render("{{ 1 < 2 < 3 }} {{ 'a' in 'cat' }} {{ 3 not in [1] }} {{ not 0 }}") ==
        "True True True True");
  CHECK(render("{{ 'äöü'[1] }} {{ 'abcd'[1:-1] }} {{ [1,2,3][::-1] }} {{ 'abc'[5:] }}|") ==
        "ö bc [3, 2, 1] |");
  CHECK(render("{{ {'a': [1, 'x\\'y', none]} }} {{ (1,) }}") == "{'a': [1, \"x'y\", None]} (1,)");
  CHECK(render("{{ 'yes' if x else 'no' }}{{ 'z' if x }}") == "no");
  CHECK(render("{{ 0 or 'b' }} {{ 1 and 'c' }} {{ -2|abs }} {{ 'x' 'y' }}") == "b c 2 xy");
  CHECK(render("{{ dict(*[[['a', 1]]], **{'b': 2}) }}") == "{'a': 1, 'b': 2}");
  CHECK_THROWS_WITH(render("{{ dict(a=1, **{'a': 2}) }}"), Catch::Contains("multiple values for"));
}

TEST_CASE("Loops, scopes and namespaces behave as in Jinja") {
  CHECK(render("{% for x in [1,2,3] if x != 2 %}{{ loop.index }}:{{ x }}"
               "{% if not loop.last %},{% endif %}{% else %}none{% endfor %}") == "1:1,2:3");
  CHECK(render("{% for x in [] %}{% else %}none{% endfor %}") == "none");
  CHECK(render("{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{% endfor %}{{ a }}") == "1");
  CHECK(render("{% if true %}{% set a = 1 %}{% endif %}{{ a }}") == "1");
  CHECK(render("{% set n = namespace(a=1) %}{% for x in [1,2] %}{% set n.a = n.a + x %}"
               "{% endfor %}{{ n.a }}") == "4");
  CHECK(render("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}") == "a1b2");
  CHECK(render("{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}"
               "{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}") == "13");
  CHECK(render("{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}") == "1");
  CHECK_THROWS_WITH(render("{% for a, b in [[1]] %}{% endfor %}"),
                    Catch::Contains("expected 2 values to unpack, got 1"));
  CHECK_THROWS_WITH(render("{% set d = {} %}{% set d.a = 1 %}"),
                    Catch::Contains("non-namespace object"));
}

TEST_CASE("Captures and filter blocks") {
  CHECK(render("{% set x %}a{{ 1 }}{% endset %}{{ x|upper }}") == "A1");
  CHECK(render("{% set x | upper | trim %} ab {% endset %}{{ x }}") == "AB");
  CHECK(render("{% filter upper %}abc{% endfilter %}") == "ABC");
  CHECK(render("{% print 1, 'a' %}") == "1a");
}

TEST_CASE("Undefined values print as nothing and fail where used") {
  CHECK(render("[{{ x }}{{ {}.y }}{% for i in x %}{% endfor %}]") == "[]");
  CHECK_THROWS_WITH(render("\n{{ x.y }}"), Catch::Contains("line 2, column 5: 'x' is undefined"));
  CHECK_THROWS_WITH(render("{{ x + 1 }}"), Catch::Contains("'x' is undefined"));
  CHECK_THROWS_WITH(render("{{ x() }}"), Catch::Contains("'x' is undefined"));
  CHECK_THROWS_WITH(render("{{ 'a'() }}"), Catch::Contains("'str' object is not callable"));
}

TEST_CASE("A run's error is one line with the place") {
  CHECK_THROWS_WITH(render("{{ raise_exception('a\nb') }}"),
                    Catch::Contains("line 1, column 19: a<0a>b"));
  CHECK_THROWS_WITH(render("a\n {% include 'x' %}"),
                    Catch::Contains("line 2, column 5: 'include' needs another file"));
  CHECK_THROWS_WITH(render("{% extends 'x' %}"), Catch::Contains("'extends' needs another file"));
  CHECK(render("{% if false %}{% import 'x' as y %}{% from 'x' import a %}{% endif %}b") == "b");
  CHECK(render("{% include [] ignore missing %}b") == "b");
}

TEST_CASE("Blocks run where they stand and see the outermost names") {
  CHECK(render("{% set a = 1 %}{% for x in [2] %}{% block b %}{{ a }}{{ x }}{% endblock %}"
               "{% block c scoped %}{{ x }}{% endblock %}{% endfor %}{{ self.b() }}") == "121");
  CHECK_THROWS_WITH(render("{% block b %}{{ self.b() }}{% endblock %}"),
                    Catch::Contains("nested too deeply"));
  CHECK_THROWS_WITH(render("{% block b required %} {% endblock %}"),
                    Catch::Contains("must be filled by another template"));
  CHECK_THROWS_WITH(render("{{ self() }}"), Catch::Contains("is not callable"));
}

TEST_CASE("Autoescape escapes what is printed, and marks what is captured") {
  CHECK(
      render("{% autoescape true %}{{ '<' }}{{ '<'|safe }}{% set x %}>{{ '>' }}{% endset %}{{ x }}"
             "{% endautoescape %}{{ '<' }}") == "&lt;<>&gt;<");
  CHECK(render("{% autoescape true %}{{ ('<'|safe) ~ x ~ '>' }}{% endautoescape %}",
               {{"x", "&"}}) == "<&amp;&gt;");
}

TEST_CASE("Generation blocks mark what becomes part of the text") {
  const auto rendered = run_template(
      "{% for m in messages %}{{ m.role }}:{% generation %}{{ m.content }}{% endgeneration %};"
      "{% endfor %}{% set x %}{% generation %}y{% endgeneration %}{% endset %}",
      {{"messages", {{{"role", "a"}, {"content", "hi"}}, {{"role", "b"}, {"content", "you"}}}}});
  CHECK(rendered.text == "a:hi;b:you;");
  REQUIRE(rendered.generations.size() == 2);  // a captured one is no part of the text
  CHECK(rendered.generations[1] == std::pair<std::size_t, std::size_t>{7, 10});
}

TEST_CASE("Hostile templates end in an error, not in a hang or a crash") {
  const std::string many = "{% for a in range(100000) %}";
  CHECK_THROWS_AS(render("{{ 'x' * 1000000000000 }}"), Error);
  CHECK_THROWS_AS(render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), Error);
  CHECK_THROWS_AS(render("{% set n = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}"
                         "{% set n.x = n.x + n.x %}{% endfor %}"),
                  Error);
  CHECK(render("{% set n = namespace() %}{% set n.me = n %}ok") == "ok");
  for (const std::string grow : {"[n.x]", "[n.x, n.x]", "joiner(n.x)", "cycler(n.x)", "(n.x,)",
                                 "namespace(y=n.x)", "{'a': n.x}", "[n.x].index"}) {
    INFO(grow);  // chains too deep to be destroyed, or to be printed, compared or written
    const std::string chain =
        "{% set n = namespace(x=1) %}" + many + "{% set n.x = " + grow + " %}{% endfor %}";
    if (grow.starts_with("namespace")) {
      CHECK(
          run_template(chain + "ok", posttrain::Json::object(), posttrain::text::jinja::kMostSteps)
              .text == "ok");
    } else {
      CHECK_THROWS_AS(render(chain), Error);
    }
    const std::string some =
        "{% set n = namespace(x=1) %}{% for a in range(60) %}{% set n.x = " + grow +
        " %}{% endfor %}";
    if (grow == "[n.x, n.x]") CHECK_THROWS_AS(render(some + "{{ n.x|tojson }}"), Error);
    if (grow == "[n.x, n.x]") CHECK_THROWS_AS(render(some + "{{ n.x }}"), Error);
  }
  CHECK_THROWS_AS(render("{% set n = namespace() %}{% set n.me = n %}{{ n }}"), Error);
  CHECK_THROWS_AS(render(many + "{{ range(100000)|list|length }}{% endfor %}"), Error);
  CHECK_THROWS_AS(render(many + "{{ ('x' * 1000000)|length }}{% endfor %}"), Error);
  CHECK_THROWS_AS(render(many + many + "{% endfor %}{% endfor %}"), Error);
}
