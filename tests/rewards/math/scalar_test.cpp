// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/scalar.hpp"

#include <string>

#include "posttrain/base/rng.hpp"
#include "posttrain/rewards/math/parser.hpp"
#include "support/catch.hpp"

using namespace posttrain::rewards;

namespace {

Equality compared(const std::string& a, const std::string& b, double tolerance = 1e-8) {
  const Expression x = parse_answer(a), y = parse_answer(b);
  Scalar left(x), right(y);
  return equality(left, right, tolerance);
}

Equality scaled(const std::string& a, const std::string& b, bool positive = false) {
  const Expression x = parse_answer(a), y = parse_answer(b);
  Scalar left(x), right(y);
  return proportionality(left, right, 1e-8, positive);
}

}  // namespace

TEST_CASE("Rationals are equal exactly or not at all") {
  CHECK(compared("2/4", "1/2") == Equality::equal);
  CHECK(compared("\\frac1{2^{99}}", "\\frac1{2^{98}}") == Equality::different);
  CHECK(compared("10^{15}+1", "10^{15}") == Equality::different);
  CHECK(compared("333/1000", "1/3", 1e-2) == Equality::different);
  CHECK(compared("10^{-12}", "0") == Equality::different);
  CHECK(compared("2^{3000}+1", "2^{3000}") == Equality::different);
}

TEST_CASE("A number with a decimal point may be off by the tolerance, an integer never") {
  CHECK(compared("0.333", "1/3") == Equality::different);
  CHECK(compared("0.333", "1/3", 1e-3) == Equality::equal);
  CHECK(compared("0.332", "1/3", 1e-3) == Equality::different);
  CHECK(compared("0.33333333333", "1/3") == Equality::equal);
  CHECK(compared("1.4142135623731", "\\sqrt2") == Equality::equal);
  CHECK(compared("1.4142", "\\sqrt2") == Equality::different);
  CHECK(compared("1000.0", "1001", 1e-2) == Equality::different);
  CHECK(compared("1000.5", "1001", 1e-2) == Equality::equal);
  CHECK(compared("0.1", "0", 1e-1) == Equality::different);
  CHECK(compared("0.5", "0.5", 0.0) == Equality::equal);
  CHECK(compared("0.3333333333333333", "1/3", 0.0) == Equality::different);
}

TEST_CASE("Identities of algebra and analysis hold") {
  const std::string identities[][2] = {
      {"(x+y)^2", "x^2+2xy+y^2"},
      {"(x-1)(x+1)(x^2+1)", "x^4-1"},
      {"\\frac{1}{x}+\\frac{1}{y}", "\\frac{x+y}{xy}"},
      {"\\sqrt{x}\\sqrt{y}", "\\sqrt{xy}"},
      {"\\sqrt{x^2}", "|x|"},
      {"x^{1/3}", "\\sqrt[3]{x}"},
      {"x^a x^b", "x^{a+b}"},
      {"(x^a)^2", "x^{2a}"},
      {"\\ln(xy)", "\\ln x+\\ln y"},
      {"\\log_2 x", "\\frac{\\ln x}{\\ln 2}"},
      {"e^{x+y}", "e^x e^y"},
      {"2^{x+1}", "2\\cdot 2^x"},
      {"\\sin^2 x+\\cos^2 x", "1"},
      {"\\sin 3x", "3\\sin x-4\\sin^3 x"},
      {"\\tan(x+y)", "\\frac{\\tan x+\\tan y}{1-\\tan x\\tan y}"},
      {"\\cosh^2 x-\\sinh^2 x", "1"},
      {"\\arcsin x+\\arccos x", "\\frac\\pi2"},
      {"e^{ix}", "\\cos x+i\\sin x"},
      {"\\frac{x^3-1}{x-1}", "x^2+x+1"},
      {"\\binom{n}{2}", "\\frac{n(n-1)}{2}"},
      {"\\frac{(n+1)!}{n!}", "n+1"},
      {"\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"},
      {"\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}", "1"},
      {"\\cos\\frac\\pi5", "\\frac{1+\\sqrt5}{4}"},
      {"\\tan\\frac\\pi8", "\\sqrt2-1"},
      {"4\\arctan\\frac15-\\arctan\\frac1{239}", "\\frac\\pi4"},
      {"e^{i\\pi}", "-1"},
      {"e^{i\\pi}+1", "0"},
      {"(1+i)^4", "-4"},
      {"x^{60}", "(x^{30})^2"},
      {"x-x", "0"},
      {"(3-3)(2+\\pi)", "y-y"},
      {"0\\cdot\\sqrt[3]{3}", "x-x"},
      {"(x+1)^2-x^2-2x", "1"},
      {"|x-y|", "|y-x|"},
      {"\\max(x,y)", "\\frac{x+y+|x-y|}{2}"},
      {"\\lfloor x\\rfloor+1", "\\lfloor x+1\\rfloor"},
      {"(-1)^{n+1}", "-(-1)^n"},
  };
  for (const auto& identity : identities) {
    INFO(identity[0] << " and " << identity[1]);
    CHECK(compared(identity[0], identity[1]) == Equality::equal);
    CHECK(compared(identity[1], identity[0]) == Equality::equal);
  }
}

TEST_CASE("What is no identity is none") {
  const std::string pairs[][2] = {
      {"(x+y)^2", "x^2+y^2"},
      {"\\sqrt{x+y}", "\\sqrt x+\\sqrt y"},
      {"\\ln(x+y)", "\\ln x+\\ln y"},
      {"|x|", "x"},
      {"\\sin 2x", "2\\sin x"},
      {"x", "y"},
      {"x_1", "x_2"},
      {"x^2", "x"},
      {"x", "-x"},
      {"i", "-i"},
      {"\\sqrt2", "\\sqrt3"},
      {"\\frac{22}{7}", "\\pi"},
      {"\\frac{355}{113}", "\\pi"},
      {"\\sqrt[3]{31}", "\\pi"},
      {"e^\\pi-\\pi", "20"},
      {"e^{\\pi\\sqrt{163}}", "262537412640768744"},
      {"n!", "(n+1)!"},
      {"f(x)", "f(y)"},
      {"\\lfloor x\\rfloor", "\\lceil x\\rceil-2"},
      {"x+10^{-9}", "x"},
      {"1.0000001x", "x"},
  };
  for (const auto& pair : pairs) {
    INFO(pair[0] << " and " << pair[1]);
    CHECK(compared(pair[0], pair[1]) != Equality::equal);
  }
  CHECK(compared("x+10^{-9}", "x") == Equality::different);
}

TEST_CASE("What doubles cannot tell apart is not decided, and never equal") {
  CHECK(compared("1+10^{-20}\\pi", "1") == Equality::undecided);
  CHECK(compared("x+10^{-20}", "x") == Equality::undecided);
  CHECK(compared("\\sqrt{10^{40}+1}", "10^{20}") == Equality::undecided);
  CHECK(compared("\\sqrt{10^{20}+1}-10^{10}", "0") == Equality::undecided);
  CHECK(compared("2^{5000}", "2^{5001}") == Equality::undecided);
  CHECK(compared("2^{5000}", "2^{5000}") == Equality::equal);  // the same tree
  CHECK(compared("9^{9^{9^9}}", "x") == Equality::undecided);
  CHECK(compared("1/0", "1/0") == Equality::different);
}

TEST_CASE("Random polynomials equal their expansions and nothing beside them") {
  posttrain::Philox4x32 rng(31);
  for (int i = 0; i < 200; ++i) {
    // (x + a)(y + b)(x + c y), multiplied out, with one coefficient changed or not.
    const auto digit = [&] { return static_cast<int>(rng.below(19)) - 9; };
    const int a = digit(), b = digit(), c = digit();
    const int change = i % 2 == 0 ? 0 : 1;
    const auto text = [](int number) { return "(" + std::to_string(number) + ")"; };
    const std::string product = "(x+" + text(a) + ")(y+" + text(b) + ")(x+" + text(c) + "y)";
    const std::string expanded = "x^2y+" + text(c) + "xy^2+" + text(b + a * c) + "xy-xy+" +
                                 text(b) + "x^2+" + text(a + b * c - a - b * c + 1 + change) +
                                 "xy+" + text(a) + "xy" + "+" + text(a * c) + "y^2+" + text(b * c) +
                                 "xy+" + text(a * b) + "x+" + text(a * b * c) + "y-" + text(a * c) +
                                 "xy-" + text(b) + "xy";
    INFO(product << " and " << expanded);
    CHECK(compared(product, expanded) == (change == 0 ? Equality::equal : Equality::different));
  }
}

TEST_CASE("A number with its base asks for its digits") {
  CHECK(compared("101_2", "101_2") == Equality::equal);
  CHECK(compared("101", "101_2") == Equality::equal);
  CHECK(compared("5", "101_2") == Equality::different);
  CHECK(compared("12_3", "101_2") == Equality::different);
  CHECK(compared("101_2+1", "6") == Equality::equal);
  CHECK(compared("5_{10}", "5") == Equality::equal);
}

TEST_CASE("Equations agree up to a factor, inequalities up to a positive one") {
  CHECK(scaled("2x-4", "2-x") == Equality::equal);
  CHECK(scaled("2x-4", "2-x", true) == Equality::different);
  CHECK(scaled("2x-4", "3x-6", true) == Equality::equal);
  CHECK(scaled("ix", "x", true) == Equality::different);
  CHECK(scaled("x^2", "x") == Equality::different);
  CHECK(scaled("x-1", "x-2") == Equality::different);
  CHECK(scaled("x-x", "x") == Equality::undecided);
}
