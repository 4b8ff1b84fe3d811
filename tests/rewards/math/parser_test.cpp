// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/parser.hpp"

#include <string>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using namespace posttrain::rewards;

namespace {

std::string read(const std::string& text) { return canonical(parse_answer(text)); }

std::string refused(const std::string& text) {
  try {
    return "read as " + read(text);
  } catch (const posttrain::Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("Operators bind as in mathematics") {
  CHECK(read("a+b*c") == "+(*(b,c),a)");
  CHECK(read("-x^2") == "*(-1,^(x,2))");
  CHECK(read("2^-3") == "^(2,-3)");
  CHECK(read("a/b/c") == "*(^(b,-1),^(c,-1),a)");
  CHECK(read("a-b-c") == "+(*(-1,b),*(-1,c),a)");
  CHECK(read("2^3^2") == "^(2,^(3,2))");
  CHECK(read("a--b") == "+(a,b)");
  CHECK(read("3*-2") == "*(-2,3)");
  CHECK(read("n!^2") == "^(factorial(n),2)");
  CHECK(read("+5") == "5");
}

TEST_CASE("Things side by side are multiplied") {
  CHECK(read("2xy^2") == "*(2,^(y,2),x)");
  CHECK(read("2(x+1)(x-1)") == "*(+(-1,x),+(1,x),2)");
  CHECK(read("\\frac12 x") == "*(1/2,x)");
  CHECK(read("2\\sqrt3") == "*(2,root(3,2))");
  CHECK(read("2|x|") == "*(2,abs(x))");
  CHECK(read("|x||y|") == "*(abs(x),abs(y))");
  CHECK(refused("3 14") == "two numbers side by side");
}

TEST_CASE("Arguments without braces are one character, as in TeX, or a whole number") {
  CHECK(read("\\frac13") == "1/3");
  CHECK(refused("\\frac134") == "two numbers side by side");
  CHECK(read("\\frac1{34}") == "1/34");
  CHECK(read("\\frac{1}3x") == "*(1/3,x)");
  CHECK(read("2**10") == "^(2,10)");
  CHECK(read("\\frac xy") == "*(^(y,-1),x)");
  CHECK(read("\\frac\\pi2") == "*(#pi,1/2)");
  CHECK(read("\\sqrt17") == "root(17,2)");
  CHECK(read("\\sqrt[3]{x}") == "root(x,3)");
  CHECK(read("x^10") == "^(x,10)");
  CHECK(read("\\binom53") == "binom(5,3)");
}

TEST_CASE("An integer before a proper fraction is a mixed number") {
  CHECK(read("2\\frac12") == "5/2");
  CHECK(read("-2\\frac12") == "-5/2");
  CHECK(read("2 1/2") == "5/2");
  CHECK(read("2\\frac52") == "*(2,5/2)");
  CHECK(read("2\\frac x2") == "*(1/2,2,x)");
  CHECK(read("2.5\\frac12") == "*(1/2,5/2)");
}

TEST_CASE("Functions take brackets, or what follows up to the next operator") {
  CHECK(read("\\sin 2x") == "sin(*(2,x))");
  CHECK(read("\\sin x\\cos y") == "*(cos(y),sin(x))");
  CHECK(read("\\sin(x)y") == "*(sin(x),y)");
  CHECK(read("\\sin^2 x") == "^(sin(x),2)");
  CHECK(read("\\sin^{-1} x") == "arcsin(x)");
  CHECK(read("\\sin 2x + 1") == "+(1,sin(*(2,x)))");
  CHECK(read("\\log_2 8") == "log(8,2)");
  CHECK(read("\\ln x") == "log(x)");
  CHECK(read("\\lg x") == "log(x,10)");
  CHECK(read("sqrt(2)") == "root(2,2)");
  CHECK(read("\\sin 30^\\circ") == "sin(*(#pi,1/180,30))");
  CHECK(read("f(x,y)") == "f(x,y)");
  CHECK(read("f^{-1}(x)") == "f^-1(x)");
  CHECK(read("P(x)=x") == "=(P(x),x)");
  CHECK(read("P(x)") == "*(P,x)");
  CHECK(read("x(x+1)") == "*(+(1,x),x)");
  CHECK(read("\\max\\{1,2\\}") == "max(1,2)");
  CHECK(read("\\lfloor x/2\\rfloor") == "floor(*(1/2,x))");
}

TEST_CASE("Lists, sets, tuples, intervals and matrices") {
  CHECK(parse_answer("1,2").is(ExpressionKind::list));
  CHECK(parse_answer("\\{1,2\\}").is(ExpressionKind::set));
  CHECK(parse_answer("{1,2}").is(ExpressionKind::set));
  CHECK(parse_answer("\\{5\\}").is(ExpressionKind::set));
  CHECK(parse_answer("\\emptyset").operands.empty());
  CHECK(parse_answer("(1,2)").is(ExpressionKind::brackets, "()"));
  CHECK(parse_answer("[0;1)").is(ExpressionKind::brackets, "[)"));
  CHECK(read("]0,1[") == "()(0,1)");
  CHECK(read("]0,1]\\cup]2,3[") == "union(()(2,3),(](0,1))");
  CHECK(read("(5)") == "5");
  CHECK(parse_answer("1 \\text{ or } 2").name == "or");
  CHECK(read("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}") == "matrix2(1,2,3,4)");
  CHECK(read("\\begin{array}{cc}1&2\\end{array}") == "matrix2(1,2)");
  CHECK(read("\\begin{cases}x=1\\\\y=2\\end{cases}") == "set(=(x,1),=(y,2))");
  CHECK(read("\\langle 1,2\\rangle") == "()(1,2)");
  CHECK(read("3:2:1") == "::(3,2,1)");
  CHECK(refused("\\begin{pmatrix}1&2\\\\3\\end{pmatrix}") == "rows of different lengths");
  CHECK(refused("(5]") == "one number in brackets of two kinds");
}

TEST_CASE("Relations are chains, and a set by condition is its condition") {
  CHECK(read("x=5") == "=(x,5)");
  CHECK(read("-2\\le x<7") == "l<(-2,x,7)");
  CHECK(read("x\\in\\mathbb{R}") == "e(x,R)");
  CHECK(read("\\{x \\mid x>2\\}") == ">(x,2)");
  CHECK(read("\\{x : x>2\\}") == ">(x,2)");
  CHECK(refused("x=") == "unexpected end");
}

TEST_CASE("Units, currency and words behind a number are dropped, and labels before it") {
  for (const std::string text : {"5",
                                 "5 cm",
                                 "5\\text{ cm}",
                                 "5\\,\\mathrm{cm}^2",
                                 "5 miles per hour",
                                 "\\$5",
                                 "5'",
                                 "5\\text{ km}/\\text{h}",
                                 "5^\\circ",
                                 "5^\\circ C",
                                 "5^{th}",
                                 "5th",
                                 "5.",
                                 "**5**",
                                 "\\text{Area} = 5",
                                 "Area = 5",
                                 "\\text{The answer is } 5",
                                 "total: 5",
                                 "{5}",
                                 "5\\degree",
                                 "\\text{(A) } 5",
                                 "5 \\text{ square units}",
                                 "\\text{5 apples}"}) {
    INFO(text);
    CHECK(read(text) == "5");
  }
  CHECK(read("5\\%") == "%(5)");
  CHECK(read("5 \\text{ percent}") == "%(5)");
  CHECK(read("5 million") == "5000000");
  CHECK(read("5\\text{ (mod 7)}") == "5");
  CHECK(read("5 xy") == "*(5,x,y)");
  CHECK(read("5x") == "*(5,x)");
}

TEST_CASE("Words are an answer, in lower case and without punctuation") {
  CHECK(read("\\text{Odd}") == "\"odd\"");
  CHECK(read("no real solutions") == "\"no real solutions\"");
  CHECK(read("\\text{no} \\text{ solution}") == "\"no solution\"");
  CHECK(read("no solution for x") == "\"no solution for x\"");
  CHECK(read("\\text{Navin, Luis}") == "set(\"luis\",\"navin\")");
  CHECK(read("A dog") == "\"a dog\"");
  CHECK(refused("x is odd") == "unexpected 'is'");
  CHECK(read("right-angled") == "\"right angled\"");
  CHECK(read("\\text{June 20}") == "\"june 20\"");
  CHECK(read("not 5") == "\"not 5\"");
  CHECK(read("\\text{at least }5") == "\"at least 5\"");
  CHECK(refused("5 \\text{ or more}") == "unexpected 'or more'");
  CHECK(read("Tuesday, June 20") == "set(\"june 20\",\"tuesday\")");
  CHECK(read("\\text{A and C}") == "set(A,C)");
  CHECK(read("星期二") == "\"星期二\"");
  CHECK(read("\\text{(C)}") == "C");
  CHECK(read("\\text{13}") == "13");
  CHECK(read("abc + 1") == "+(*(a,b,c),1)");
}

TEST_CASE("Numbers with a base") {
  CHECK(read("101_2") == "5_2");
  CHECK(read("(101)_2") == "5_2");
  CHECK(read("101_{\\text{two}}") == "5_2");
  CHECK(refused("102_2") == "not a number of its base");
  CHECK(refused("10_{x}") == "not a base of numbers");
}

TEST_CASE("What is no answer is an error of one line") {
  for (const std::string text :
       {"",        "  ",         "$$",      "+",          "(",
        ")",       "{",          "}",       "\\frac",     "\\frac{1}",
        "^2",      "x^",         "x_",      "|x",         "\\sqrt",
        "1 +",     "\\{1",       "\\left(", "a = = b",    "\\begin{pmatrix}",
        "\\text{", "5\\text{2}", "#",       "\\lfloor 1", "\\begin{cases} x",
        "]0,1",    "f(",         "\\sin",   "f()",        "\\mathbb"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_answer(text), posttrain::Error);
  }
}

TEST_CASE("Hostile texts are refused within their budgets") {
  const auto repeated = [](const std::string& part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  CHECK(refused(repeated("(", 1000) + "1" + repeated(")", 1000)) ==
        "more than 600 numbers, words and signs");
  CHECK(refused(repeated("(", 200) + "1" + repeated(")", 200)) == "nested too deeply");
  CHECK(refused(repeated("2^{", 100) + "2" + repeated("}", 100)) == "nested too deeply");
  CHECK(refused(repeated("\\frac1{", 60) + "2" + repeated("}", 60)) == "nested too deeply");
  CHECK(refused(repeated("\\text{(", 60) + "2" + repeated(")}", 60)).starts_with("read as"));
  CHECK(refused(repeated("\\sin", 200) + " x") == "nested too deeply");
  CHECK(refused("x" + repeated("!", 200)) == "nested too deeply");
  CHECK(refused("x" + repeated("^2", 200)) == "nested too deeply");
  CHECK(refused(repeated("-", 500) + "1") == "read as 1");
  CHECK(refused(repeated("1+", 290) + "1") == "read as +(" + repeated("1,", 290) + "1)");
  CHECK(refused(repeated("x", 5000)).starts_with("longer than"));
}
