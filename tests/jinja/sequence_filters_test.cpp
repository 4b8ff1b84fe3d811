// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/sequence_filters.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::Json;
using posttrain::test::render;

namespace {

const Json& people() {
  static const Json value = {{"m",
                              {{{"role", "user"}, {"n", 2}, {"o", {{"k", "z"}}}},
                               {{"role", "Assistant"}, {"n", 1}},
                               {{"role", "user"}, {"n", 3}}}}};
  return value;
}

}  // namespace

TEST_CASE("map, select and reject give generators, by value or attribute") {
  CHECK(render("{{ m|map(attribute='n')|list }}{{ m|map(attribute='o.k', default='?')|list }}",
               people()) == "[2, 1, 3]['z', '?', '?']");
  CHECK(render("{{ m|selectattr('role', 'equalto', 'user')|map(attribute='n')|sum }}"
               "{{ m|rejectattr('o')|list|length }}",
               people()) == "52");
  CHECK(render("{{ [0, 1, 2]|select|list }}{{ [1, 2]|reject('odd')|list }}"
               "{{ ['1']|map('int')|list }}{{ none|select|list }}") == "[1, 2][2][1][]");
  CHECK(render("{% set g = [1, 2, 3]|select %}{{ g|first }}{{ g|list }}{{ g|list }}") ==
        "1[2, 3][]");
  CHECK_THROWS_WITH(render("{{ [1]|map }}"), Catch::Contains("expected a filter or attribute="));
  CHECK_THROWS_WITH(render("{{ [1]|map(attribute='a', x=1) }}"), Catch::Contains("argument 'x'"));
  CHECK_THROWS_WITH(render("{{ ([1]|select)|length }}"), Catch::Contains("has no len()"));
}

TEST_CASE("sort, dictsort, min, max, unique and groupby are blind to case unless asked") {
  CHECK(render("{{ ['b','A','a']|sort }}{{ ['b','A','a']|sort(case_sensitive=true) }}") ==
        "['A', 'a', 'b']['A', 'a', 'b']");
  CHECK(render("{{ {'b': 1, 'A': 2}|dictsort }}{{ {'b': 1, 'A': 2}|dictsort(by='value') }}") ==
        "[('A', 2), ('b', 1)][('b', 1), ('A', 2)]");
  CHECK(render("{{ ['b', 'A']|min }}{{ m|max(attribute='n') }}", people()) ==
        "A{'role': 'user', 'n': 3}");
  CHECK(render("{{ ['a', 'A', 'b']|unique|list }}") == "['a', 'b']");
  CHECK(render("{% for role, rows in m|groupby('role') %}{{ role }}{{ rows|length }} {% endfor %}",
               people()) == "Assistant1 user2 ");
  CHECK(render("{{ []|max is defined }}") == "False");
  CHECK_THROWS_WITH(render("{{ [1]|dictsort }}"), Catch::Contains("expected a mapping, got list"));
}

TEST_CASE("first, last, reverse, batch, slice, items, sum") {
  CHECK(render("{{ 'ab'|first }}{{ [1, 2]|last }}{{ 'äb'|reverse }}{{ [1, 2]|reverse|list }}") ==
        "a2bä[2, 1]");
  CHECK(render("{{ [1,2,3]|batch(2, 0)|list }}{{ [1,2,3]|slice(2)|list }}") ==
        "[[1, 2], [3, 0]][[1, 2], [3]]");
  CHECK(render("{{ {'a': 1}|items|list }}{{ [1, 2]|sum(start=10) }}{{ x|items|list }}") ==
        "[('a', 1)]13[]");
  CHECK_THROWS_WITH(render("{{ ([1]|select)|last }}"), Catch::Contains("not reversible"));
  CHECK_THROWS_WITH(render("{{ [1]|batch(0) }}"), Catch::Contains("a positive size"));
  CHECK_THROWS_WITH(render("{{ ['a']|sum(start='') }}"), Catch::Contains("joined, not summed"));
}
