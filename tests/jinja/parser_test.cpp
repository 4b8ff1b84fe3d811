// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/parser.hpp"

#include <string>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;
using Kind = Expression::Kind;

namespace {

/// The tree of an expression as text: (operator operand …).
std::string shape(const Expression& e) {
  std::string out;
  const auto children = [&] {
    for (const auto& child : e.children) out += ' ' + (child ? shape(*child) : std::string("_"));
  };
  switch (e.kind) {
    case Kind::kConstant:
      return e.constant.is_string() ? e.constant.text() : std::to_string(e.constant.integer());
    case Kind::kName:
      return e.name;
    case Kind::kFilter:
      return "(|" + e.name + ' ' + shape(*e.children[0]) + ')';
    case Kind::kBinary:
      out = e.name;
      break;
    case Kind::kCompare:
      for (const std::string& op : e.operators) out += op;
      break;
    case Kind::kAnd:
      out = "and";
      break;
    case Kind::kOr:
      out = "or";
      break;
    case Kind::kNot:
      out = "not";
      break;
    case Kind::kNegate:
      out = "neg";
      break;
    case Kind::kConditional:
      out = "if";
      break;
    case Kind::kTest:
      out = "is " + e.name;
      break;
    default:
      out = "?";
  }
  children();
  return '(' + out + ')';
}

std::string parsed(const std::string& expression) {
  const Tree tree = Parser("{{ " + expression + " }}").run();
  return shape(*tree.body.at(0)->value);
}

void parse(const std::string& source) { Parser(source).run(); }

}  // namespace

TEST_CASE("Operators bind as in Jinja") {
  CHECK(parsed("1 + 2 * 3 - 4") == "(- (+ 1 (* 2 3)) 4)");
  CHECK(parsed("a ~ b + c") == "(+ (~ a b) c)");
  CHECK(parsed("2 ** 3 ** 2") == "(** (** 2 3) 2)");  // not Python's: from the left
  CHECK(parsed("-a | abs") == "(|abs (neg a))");
  CHECK(parsed("a + b | abs") == "(+ a (|abs b))");
  CHECK(parsed("not a == b and c or d") == "(or (and (not (== a b)) c) d)");
  CHECK(parsed("1 < a <= 3") == "(<<= 1 a 3)");
  CHECK(parsed("a not in b") == "(not in a b)");
  CHECK(parsed("a if b else c if d") == "(if b a (if d c _))");
  CHECK(parsed("a is not defined") == "(not (is defined a))");
}

TEST_CASE("A tree is complete: statements, their parts and named blocks") {
  const Tree tree = Parser(
                        "{% for x, y in a if x recursive %}b{% else %}c{% endfor %}"
                        "{% block z scoped %}{% endblock z %}")
                        .run();
  REQUIRE(tree.body.size() == 2);
  const Statement& loop = *tree.body[0];
  CHECK(loop.kind == Statement::Kind::kFor);
  CHECK(loop.recursive);
  CHECK(loop.condition != nullptr);
  CHECK(loop.target->children.size() == 2);
  CHECK(loop.otherwise.size() == 1);
  REQUIRE(tree.blocks.size() == 1);
  CHECK(tree.blocks[0]->text == "z");
  CHECK(tree.blocks[0]->scoped);
}

TEST_CASE("A macro takes surplus arguments only if its body names them") {
  const Tree tree = Parser(
                        "{% macro a() %}{{ varargs }}{{ x.kwargs }}{{ f(caller=1) }}"
                        "{% endmacro %}")
                        .run();
  CHECK(tree.body[0]->takes_varargs);
  CHECK_FALSE(tree.body[0]->takes_kwargs);  // an attribute
  CHECK_FALSE(tree.body[0]->takes_caller);  // an argument's name
  CHECK_THROWS_WITH(parse("{% macro a(caller) %}{{ caller() }}{% endmacro %}"),
                    Catch::Contains("'caller' needs a default"));
  CHECK_THROWS_WITH(parse("{% macro a(b=1, c) %}{% endmacro %}"),
                    Catch::Contains("without a default follows"));
  CHECK_THROWS_WITH(parse("{% macro a(b, b) %}{% endmacro %}"), Catch::Contains("two parameters"));
}

TEST_CASE("Syntax errors say what was expected, and where") {
  CHECK_THROWS_WITH(parse("a\n{% if %}"), Catch::Contains("line 2, column 7: unexpected '%}'"));
  CHECK_THROWS_WITH(parse("{% for x in y %}"), Catch::Contains("expected 'endfor' before the end"));
  CHECK_THROWS_WITH(parse("{% endif %}"), Catch::Contains("'endif' is not supported"));
  CHECK_THROWS_WITH(parse("{% break %}"), Catch::Contains("'break' outside a loop"));
  CHECK_THROWS_WITH(parse("{% for x in y %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}"),
                    Catch::Contains("outside a loop"));
  CHECK_THROWS_WITH(parse("{{ f(a=1, 2) }}"), Catch::Contains("positional argument follows"));
  CHECK_THROWS_WITH(parse("{{ f(**a, b=1) }}"), Catch::Contains("an argument follows **"));
  CHECK_THROWS_WITH(parse("{{ a[] }}"), Catch::Contains("expected a subscript"));
  CHECK_THROWS_WITH(parse("{{ 99999999999999999999 }}"), Catch::Contains("integer of 64 bits"));
  CHECK_THROWS_WITH(parse("{{ a is defined is defined }}"), Catch::Contains("cannot follow"));
  CHECK_THROWS_WITH(parse("{% for loop in x %}{% endfor %}"), Catch::Contains("'loop' cannot be"));
  CHECK_THROWS_WITH(parse("{% block b %}{% endblock %}{% block b %}{% endblock %}"),
                    Catch::Contains("two blocks 'b'"));
  CHECK_THROWS_WITH(parse("{% block b required %}x{% endblock %}"),
                    Catch::Contains("white space only"));
  CHECK_THROWS_WITH(parse("{% for x in [] %}{% extends 'x' %}{% endfor %}"),
                    Catch::Contains("'extends' stands inside another block"));
}

TEST_CASE("An unknown filter or test is an error unless a condition may skip it") {
  CHECK_THROWS_WITH(parse("{% macro f() %}\n {{ 1|nope }}{% endmacro %}"),
                    Catch::Contains("line 2, column 7: the filter 'nope' is not supported"));
  CHECK_THROWS_WITH(parse("{{ 1 is nope }}"), Catch::Contains("the test 'nope' is not supported"));
  CHECK_NOTHROW(parse("{% if a %}{{ 1|nope }}{% endif %}{{ 2 if true else 1|nope }}"));
}

TEST_CASE("Trees nest so deep and no deeper") {
  using posttrain::Error;
  CHECK_THROWS_WITH(parse("{{ " + std::string(100000, '(') + " }}"),
                    Catch::Contains("unexpected '}'"));
  CHECK_THROWS_WITH(parse("{{ " + std::string(1000, '(') + "1" + std::string(1000, ')') + " }}"),
                    Catch::Contains("nested too deeply"));
  CHECK_THROWS_WITH(parse("{{ " + std::string(100000, '-') + "1 }}"),
                    Catch::Contains("nested too deeply"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 10000; ++i) sum += "+1";
  CHECK_THROWS_WITH(parse(sum + " }}"), Catch::Contains("nested too deeply"));
  std::string ifs;
  for (int i = 0; i < 10000; ++i) ifs += "{% if 1 %}";
  CHECK_THROWS_AS(parse(ifs), Error);
}
