// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/compare.hpp"

#include <string>

#include "posttrain/rewards/math/parser.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::rewards;

namespace {

bool answers(const std::string& answer, const std::string& gold, ComparisonOptions options = {}) {
  return Comparer(options)(parse_answer(answer), parse_answer(gold)) == Equality::equal;
}

/// Each of them answers the other.
bool same(const std::string& a, const std::string& b) { return answers(a, b) && answers(b, a); }
bool neither(const std::string& a, const std::string& b) {
  return !answers(a, b) && !answers(b, a);
}

}  // namespace

TEST_CASE("Lists and sets are equal in any order, once or twice") {
  CHECK(same("1,2", "2,1"));
  CHECK(same("\\{1,2,2\\}", "1,2"));
  CHECK(same("\\{5\\}", "5"));
  CHECK(same("1 \\text{ and } 2", "\\{2,1\\}"));
  CHECK(same("\\sqrt4, 3", "3, 2"));
  CHECK(neither("1,2", "1,2,3"));
  CHECK(neither("1,2", "1,3"));
  CHECK(neither("\\emptyset", "0"));
  CHECK(neither("\\{\\{1\\},2\\}", "\\{\\{2\\},1\\}"));
}

TEST_CASE("Either sign is two elements") {
  CHECK(same("\\pm 2", "2,-2"));
  CHECK(same("1\\pm\\sqrt5", "1-\\sqrt5,1+\\sqrt5"));
  CHECK(same("\\pm1,\\pm2", "1,2,-1,-2"));
  CHECK(same("(\\pm1,\\pm2)", "(1,2),(1,-2),(-1,2),(-1,-2)"));
  CHECK(same("a \\pm b", "a \\mp b"));
  CHECK(same("1\\pm2\\mp3", "0, 2"));
  CHECK(neither("\\pm 2", "2"));
}

TEST_CASE("Tuples and intervals keep their order and their brackets") {
  CHECK(same("(1,2)", "(1.0, \\frac42)"));
  CHECK(neither("(1,2)", "(2,1)"));
  CHECK(neither("(1,2)", "\\{1,2\\}"));
  CHECK(neither("(1,2)", "1,2"));
  CHECK(neither("[1,2]", "(1,2)"));
  CHECK(neither("(1,2)", "(1,2,3)"));
  CHECK(neither("[0,1)", "(0,1]"));
  CHECK(same("(1,(2,3))", "(1,(2,3))"));
}

TEST_CASE("Unions, differences and intersections") {
  CHECK(same("(0,1)\\cup(2,3)", "(2,3)\\cup(0,1)"));
  CHECK(neither("(0,1)\\cup(2,3)", "(0,1)\\cup(2,3]"));
  CHECK(same("\\{1\\}\\cup(2,3)", "(2,3)\\cup\\{1\\}"));
  CHECK(same("\\{1,2\\}\\cup\\{3\\}", "\\{1,2,3\\}"));
  CHECK(same("\\{1,2\\}\\cap\\{2,3\\}", "\\{2\\}"));
  CHECK(same("\\{1,2,3\\}\\setminus\\{2\\}", "\\{1,3\\}"));
  CHECK(same("\\mathbb{R}\\setminus\\{1,-1\\}", "(-\\infty,-1)\\cup(-1,1)\\cup(1,\\infty)"));
  CHECK(neither("\\mathbb{R}\\setminus\\{1\\}", "(-\\infty,-1)\\cup(1,\\infty)"));
  CHECK(same("\\mathbb{R}", "(-\\infty,\\infty)"));
  CHECK(neither("\\mathbb{R}", "\\mathbb{Q}"));
  CHECK(neither("\\mathbb{R}", "\\mathbb{R}^+"));
}

TEST_CASE("What is given to a symbol is its value") {
  CHECK(same("x=5", "5"));
  CHECK(same("5=x", "5"));
  CHECK(same("f(x)=x^2", "x^2"));
  CHECK(same("P(x)=x^2-1", "x^2-1"));
  CHECK(same("P(A)=\\frac12", "0.5"));
  CHECK(same("ABC = 30", "30"));
  CHECK(same("x\\in[0,1]", "[0,1]"));
  CHECK(same("(x,y)=(1,2)", "(1,2)"));
  CHECK(same("x=1\\text{ or }x=2", "1,2"));
  CHECK(same("x=1,2", "1,2"));
  CHECK(same("x=\\pm2", "-2,2"));
  CHECK(same("x=2+3=5", "5"));
  CHECK(same("x=y=5", "5"));
  CHECK(answers("m+n=5", "5"));
  CHECK_FALSE(answers("5", "m+n=5"));
  CHECK(neither("x=2+3=6", "6"));
  CHECK(neither("x^2=4", "4"));
  CHECK(neither("x=x+5", "x+5"));
  CHECK(neither("0", "a+3z=0"));
  CHECK(neither("7", "7=11a+c"));
  CHECK(neither("x=1,y=2", "1,2"));
  CHECK(neither("x=5", "y=5"));
}

TEST_CASE("Equations are equal up to a factor") {
  CHECK(same("y=2x+3", "2x-y=-3"));
  CHECK(same("x^2+y^2=25", "25-x^2=y^2"));
  CHECK(same("\\frac x2+\\frac y3=1", "3x+2y=6"));
  CHECK(neither("y=2x+3", "y=2x-3"));
  CHECK(neither("y=x", "y^2=x^2"));
  CHECK(same("x=1,y=2", "y=2,x=1"));
  CHECK(same("A=\\{1,2\\}", "A=\\{2,1\\}"));
}

TEST_CASE("Inequalities are normalised, and intervals answer for them but not conversely") {
  CHECK(same("5\\ge x", "x\\le5"));
  CHECK(same("-x>-1", "x<1"));
  CHECK(same("2x<4", "x<2"));
  CHECK(same("x\\ne 3", "3\\ne x"));
  CHECK(same("-2\\le x\\le7", "7\\ge x\\ge-2"));
  CHECK(same("-2\\le x\\le7", "x\\ge-2\\text{ and }x\\le7"));
  CHECK(same("x<1\\text{ or }x>3", "3<x\\text{ or }1>x"));
  CHECK(neither("x<1\\text{ or }x<3", "x<1\\text{ and }x<3"));
  CHECK(neither("x<5", "x\\le5"));
  CHECK(neither("x<5", "x>5"));
  CHECK(neither("x<5", "y<5"));
  CHECK(neither("x<5", "5"));
  CHECK(answers("(-\\infty,5]", "x\\le5"));
  CHECK(answers("x\\in(1,3]", "3\\ge x>1"));
  CHECK(answers("(-\\infty,1)\\cup(3,\\infty)", "x<1\\text{ or }x>3"));
  CHECK(answers("(-\\infty,3)\\cup(3,\\infty)", "x\\ne3"));
  CHECK_FALSE(answers("[1,3)", "1<x\\le3"));
  CHECK_FALSE(answers("x\\le5", "(-\\infty,5]"));
  CHECK(answers("x\\le5", "(-\\infty,5]", {.inequality_as_interval = true}));
  CHECK(answers("3\\ge x>1", "(1,3]", {.inequality_as_interval = true}));
  CHECK_FALSE(answers("3\\ge x>1", "[1,3]", {.inequality_as_interval = true}));
}

TEST_CASE("Matrices, vectors and ratios") {
  CHECK(same("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}"));
  CHECK(same("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)"));
  CHECK(same("\\langle1,2\\rangle", "(1,2)"));
  CHECK(neither("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}"));
  CHECK(neither("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{vmatrix}1\\\\2\\end{vmatrix}"));
  CHECK(same("6:4", "3:2"));
  CHECK(same("1:2:3", "2:4:6"));
  CHECK(same("3:2", "\\frac32"));
  CHECK(neither("1:2:3", "1:2:4"));
  CHECK(neither("3:2", "2:3"));
  CHECK(neither("3:2", "(3,2)"));
}

TEST_CASE("Percentages are numbers of either kind, unless told otherwise") {
  CHECK(same("28\\%", "0.28"));
  CHECK(same("28\\%", "28"));
  CHECK(same("28\\%", "28.0\\%"));
  CHECK(neither("28\\%", "29"));
  CHECK(neither("28\\%", "2800\\%"));
  CHECK_FALSE(answers("28\\%", "28", {.percent_is_number = false}));
  CHECK(answers("28\\%", "0.28", {.percent_is_number = false}));
  CHECK(same("10\\%, 20\\%", "0.1, 0.2"));
}

TEST_CASE("Words are equal as words, and letters as symbols") {
  CHECK(same("\\text{Odd}", "odd"));
  CHECK(neither("odd", "even"));
  CHECK(neither("north", "thorn"));
  CHECK(same("abc", "a b c"));
  CHECK(same("\\text{Navin, Luis}", "\\text{Luis, Navin}"));
  CHECK(neither("odd", "5"));
  CHECK(neither("\\text{June 20}", "\\text{July 20}"));
  CHECK(same("\\text{June 20}", "June 20"));
  CHECK(neither("not 5", "5"));
  CHECK(neither("\\text{less than }5", "5"));
  CHECK(same("11:15\\text{ p.m.}", "11:15 PM"));
  CHECK(neither("11:15\\text{ p.m.}", "11:15\\text{ a.m.}"));
  CHECK(same("\\text{A and C}", "C, A"));
}

TEST_CASE("Approximations say what they approximate") {
  CHECK(answers("\\sqrt2\\approx1.414", "\\sqrt2"));
  CHECK_FALSE(answers("\\sqrt2\\approx1.414", "1.414"));
  CHECK(answers("x\\approx1.414", "1.414"));
  CHECK(answers("x=\\sqrt2\\approx1.414", "\\sqrt2"));
}

TEST_CASE("Large sets are compared within their budget") {
  std::string a, b;
  for (int i = 0; i < 110; ++i) {
    a += "\\sqrt{" + std::to_string(i + 2) + "},";
    b += "\\sqrt{" + std::to_string(111 - i) + "},";
  }
  const double took = posttrain::test::least_processor_seconds([&] {
    const Expression x = parse_answer(a + "1"), y = parse_answer(b + "1");
    Comparer comparer({});
    comparer(x, y);
  });
  CHECK(took < 1.0);  // some 3 ms, 60 with sanitizers
}
