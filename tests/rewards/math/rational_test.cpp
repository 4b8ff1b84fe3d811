// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/rational.hpp"

#include <cmath>
#include <cstdint>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"

using posttrain::Philox4x32;
using posttrain::rewards::BigInteger;
using posttrain::rewards::Rational;

TEST_CASE("Fractions are in lowest terms with a positive denominator") {
  CHECK(Rational(6, -4).text() == "-3/2");
  CHECK(Rational(0, -4).text() == "0");
  CHECK(Rational(8, 4).text() == "2");
  CHECK(Rational(8, 4).is_integer());
  CHECK_FALSE(Rational(1, 0).fits());
}

TEST_CASE("The laws of fields hold for random fractions") {
  Philox4x32 rng(21);
  const auto draw = [&] {
    const auto part = [&] { return static_cast<std::int64_t>(rng.below(2000000)) - 1000000; };
    const std::int64_t below = part();
    return Rational(part(), below == 0 ? 1 : below);
  };
  for (int i = 0; i < 2000; ++i) {
    const Rational a = draw(), b = draw(), c = draw();
    REQUIRE(a + b == b + a);
    REQUIRE((a + b) + c == a + (b + c));
    REQUIRE(a * (b + c) == a * b + a * c);
    REQUIRE(a - a == Rational(0));
    if (!b.is_zero()) REQUIRE(a / b * b == a);
    REQUIRE((a < b) == (a.to_double() < b.to_double()));
    REQUIRE(a.floor() <= a);
    REQUIRE(a < a.floor() + Rational(1));
  }
}

TEST_CASE("Powers and roots are exact, or there is none") {
  CHECK(Rational(2, 3).power(-3) == Rational(27, 8));
  CHECK(Rational(-2).power(3) == Rational(-8));
  CHECK_FALSE(Rational(0).power(-1).fits());
  CHECK(Rational(4, 9).root(2) == Rational(2, 3));
  CHECK(Rational(-8).root(3) == Rational(-2));
  CHECK_FALSE(Rational(-4).root(2));
  CHECK_FALSE(Rational(2).root(2));
  CHECK_FALSE(Rational(10).power(400).root(3).has_value());
  CHECK_FALSE(Rational(10).power(2000).fits());
}

TEST_CASE("The nearest double is right beyond its own range of digits") {
  CHECK(Rational(1, 3).to_double() == 1.0 / 3.0);
  CHECK(Rational(-7, 2).to_double() == -3.5);
  CHECK(Rational(10).power(30).to_double() == Approx(1e30).epsilon(1e-15));
  CHECK(Rational(10).power(-300).to_double() == Approx(1e-300).epsilon(1e-14));
  CHECK(std::isinf(Rational(10).power(400).to_double()));
  CHECK(Rational(10).power(-400).to_double() == 0.0);
  CHECK(Rational(BigInteger(10).power(400), BigInteger(10).power(399)).to_double() == 10.0);
  CHECK(Rational(-5, 2).floor() == Rational(-3));
  CHECK(Rational(5).floor() == Rational(5));
  CHECK(Rational(7).small() == 7);
  CHECK_FALSE(Rational(7, 2).small());
}
