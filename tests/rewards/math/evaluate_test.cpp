// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/evaluate.hpp"

#include <cmath>
#include <complex>
#include <string>

#include "posttrain/rewards/math/parser.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::rewards;

namespace {

ExactValue exact(const std::string& text) { return exact_value(parse_answer(text)); }

std::string exactly(const std::string& text) {
  const ExactValue result = exact(text);
  switch (result.exactness) {
    case Exactness::rational:
      return result.value.text();
    case Exactness::irrational:
      return "irrational";
    case Exactness::undefined:
      return "undefined";
    default:
      return "too large";
  }
}

SampledValue sampled(const std::string& text, SamplePoint point = {}) {
  return sampled_value(parse_answer(text), point);
}

}  // namespace

TEST_CASE("Rational expressions have their exact values") {
  CHECK(exactly("1/2+1/3") == "5/6");
  CHECK(exactly("2^{10}-24") == "1000");
  CHECK(exactly("(-2)^3") == "-8");
  CHECK(exactly("2^{-2}") == "1/4");
  CHECK(exactly("4^{1/2}") == "2");
  CHECK(exactly("8^{2/3}") == "4");
  CHECK(exactly("\\sqrt{\\frac{9}{4}}") == "3/2");
  CHECK(exactly("\\sqrt[3]{-27}") == "-3");
  CHECK(exactly("28\\%") == "7/25");
  CHECK(exactly("20!/18!") == "380");
  CHECK(exactly("\\binom{10}{3}") == "120");
  CHECK(exactly("\\binom{3}{10}") == "0");
  CHECK(exactly("\\lfloor -7/2\\rfloor") == "-4");
  CHECK(exactly("\\lceil -7/2\\rceil") == "-3");
  CHECK(exactly("|-3|") == "3");
  CHECK(exactly("\\max(1,3,2)") == "3");
  CHECK(exactly("\\gcd(12,18)") == "6");
  CHECK(exactly("\\operatorname{lcm}(4,6,10)") == "60");
}

TEST_CASE("What is not rational, not defined or too large is told apart") {
  CHECK(exactly("\\sqrt2") == "irrational");
  CHECK(exactly("(-1)^{1/2}") == "irrational");
  CHECK(exactly("x") == "irrational");
  CHECK(exactly("\\pi") == "irrational");
  CHECK(exactly("1/0") == "undefined");
  CHECK(exactly("0^0") == "undefined");
  CHECK(exactly("0^{-1}") == "undefined");
  CHECK(exactly("x+1/0") == "undefined");
  CHECK(exactly("x\\cdot\\frac{1}{1-1}") == "undefined");
  CHECK(exactly("\\sqrt[0]{2}") == "undefined");
  CHECK(exactly("2^{5000}") == "too large");
  CHECK(exactly("9^{9^{9^{9}}}") == "too large");
  CHECK(exactly("1000!") == "too large");
  CHECK(exactly("1^{9^{9^9}}") == "too large");  // the exponent alone
  CHECK(exactly("1^{99999999999999999999}") == "1");
  CHECK(exactly("\\gcd(1/2,3)") == "irrational");
}

TEST_CASE("Exact arithmetic stops where its work would grow") {
  // Fractions of 1000 digits with nothing in common.
  std::string text;
  for (int i = 0; i < 40; ++i) text += "\\frac{1}{3^{" + std::to_string(400 + i) + "}+2}+";
  const Expression sum = parse_answer(text + "1");
  const double took = posttrain::test::least_processor_seconds(
      [&] { CHECK(exact_value(sum).exactness == Exactness::too_large); });
  CHECK(took < 1.0);  // some 3 ms, 50 with sanitizers
}

TEST_CASE("Values of functions agree with the standard library's") {
  const auto value = [](const std::string& text) { return sampled(text).value; };
  const auto close = [](std::complex<double> a, std::complex<double> b) {
    return std::abs(a - b) <= 1e-13 * std::abs(b);
  };
  CHECK(close(value("\\sin 1"), std::sin(1.0)));
  CHECK(close(value("\\tan 1"), std::tan(1.0)));
  CHECK(close(value("\\sec 1"), 1.0 / std::cos(1.0)));
  CHECK(close(value("\\cot 1"), 1.0 / std::tan(1.0)));
  CHECK(close(value("\\csc 1"), 1.0 / std::sin(1.0)));
  CHECK(close(value("\\arcsin \\frac12"), std::asin(0.5)));
  CHECK(close(value("\\arccos \\frac12"), std::acos(0.5)));
  CHECK(close(value("\\arctan 2"), std::atan(2.0)));
  CHECK(close(value("\\operatorname{arccot} 2"), std::atan(0.5)));
  CHECK(close(value("\\sinh 1"), std::sinh(1.0)));
  CHECK(close(value("\\coth 1"), 1.0 / std::tanh(1.0)));
  CHECK(close(value("\\ln 3"), std::log(3.0)));
  CHECK(close(value("\\log_{10} 3"), std::log10(3.0)));
  CHECK(close(value("\\exp(2)"), std::exp(2.0)));
  CHECK(close(value("2^{0.3}"), std::pow(2.0, 0.3)));
  CHECK(close(value("\\sqrt{-4}"), std::complex<double>(0, 2)));
  CHECK(close(value("\\ln(-1)"), std::complex<double>(0, std::acos(-1.0))));
  CHECK(close(value("i^2"), -1.0));
  CHECK(close(value("(-1)^{1/2}"), std::complex<double>(0, 1)));
  CHECK(close(value("\\sqrt[3]{-2}"), -std::cbrt(2.0)));
  CHECK(close(value("\\frac12!"), std::tgamma(1.5)));
  CHECK(close(value("|3+4i|"), 5.0));
  CHECK(close(value("\\overline{3+4i}"), std::complex<double>(3, -4)));
  CHECK(close(value("\\min(\\pi,e)"), std::exp(1.0)));
  CHECK(close(value("\\lfloor \\log_2 8\\rfloor"), 3.0));
}

TEST_CASE("A bound of the error covers what rounding does") {
  const double error = std::abs(sampled("\\sin(\\pi)").value);
  CHECK(error > 0.0);
  CHECK(error <= sampled("\\sin(\\pi)").error);
  // Cancellation leaves nothing: the value is below its own bound.
  const SampledValue nothing = sampled("\\sqrt{10^{20}+1}-10^{10}");
  CHECK(std::abs(nothing.value) <= nothing.error);
  CHECK(nothing.error > 1e-7);
  CHECK(sampled("1/3").error < 1e-15);
  CHECK(sampled("7").error == 0.0);
}

TEST_CASE("Digits that vanish are noted") {
  CHECK(sampled("1+10^{-20}+x").absorbed);
  CHECK(sampled("\\sqrt{10^{40}+1}").absorbed);
  CHECK(sampled("1+e^{-100}").absorbed);
  CHECK_FALSE(sampled("1+10^{-5}+x").absorbed);
  CHECK_FALSE(sampled("\\sqrt{10^{20}}").absorbed);
  CHECK_FALSE(sampled("x-x").absorbed);
}

TEST_CASE("What has no value is not defined") {
  for (const std::string text :
       {"1/0", "\\ln 0", "\\tan(\\pi/2)", "0^{-1}", "9^{9^{9^9}}", "\\infty", "e^{1000}",
        "e^{-1000}", "(-1)!", "200!!", "\\{1\\}", "\\sqrt[0]{2}"}) {
    INFO(text);
    CHECK_FALSE(sampled(text).defined);
  }
}

TEST_CASE("A symbol has the same value wherever it stands, and another at each draw") {
  CHECK(sampled("x").value == sampled("x").value);
  CHECK(sampled("x").value != sampled("y").value);
  CHECK(sampled("x_1").value != sampled("x_2").value);
  CHECK(sampled("x", {.draw = 1}).value != sampled("x", {.draw = 2}).value);
  bool negative = false, positive = false;
  for (std::uint64_t draw = 0; draw < 16; ++draw) {
    const auto complex = sampled("x", {.draw = draw}).value;
    CHECK(complex.imag() != 0.0);
    CHECK(std::abs(std::arg(complex)) < 0.3);
    const auto real = sampled("x", {.draw = draw, .real = true}).value;
    CHECK(real.imag() == 0.0);
    (real.real() < 0 ? negative : positive) = true;
  }
  CHECK(negative);
  CHECK(positive);
  CHECK(needs_real_points(parse_answer("1+|x|")));
  CHECK(needs_real_points(parse_answer("n!")));
  CHECK_FALSE(needs_real_points(parse_answer("\\sin x")));
}

TEST_CASE("An unknown function depends on its name and on the value of its argument") {
  CHECK(std::abs(sampled("f(x+1)").value - sampled("f(1+x)").value) < 1e-14);
  CHECK(std::abs(sampled("f(x)").value - sampled("f(y)").value) > 1e-3);
  CHECK(std::abs(sampled("f(x)").value - sampled("g(x)").value) > 1e-3);
  CHECK(std::abs(sampled("f(x,y)").value - sampled("f(y,x)").value) > 1e-3);
}
