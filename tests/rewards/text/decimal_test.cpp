// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/decimal.hpp"

#include <cmath>
#include <cstdint>
#include <random>
#include <string>

#include "support/catch.hpp"

using posttrain::rewards::Decimal;

namespace {

Decimal number(const std::string& text) {
  const auto value = Decimal::parse(text);
  INFO(text);
  REQUIRE(value.has_value());
  return *value;
}

}  // namespace

TEST_CASE("a decimal has one text for each value") {
  CHECK(number("007.50").text() == "7.5");
  CHECK(number("-0").text() == "0");
  CHECK(number("-0.000").text() == "0");
  CHECK(number("1.5e3").text() == "1500");
  CHECK(number("15E-3").text() == "0.015");
  CHECK(number("1e50").text() == "1e+50");
  CHECK(number("-12.5e-60").text() == "-1.25e-59");
  CHECK(number(".5").text() == "0.5");
  CHECK(number("5.").text() == "5");
  CHECK(number("0.1").shifted(2).text() == "10");
  CHECK(number("0").shifted(7).text() == "0");
}

TEST_CASE("what is no decimal is none") {
  for (const char* text : {"", "-", ".", "e5", "1e", "1e+", "1,000", "0x1", " 1", "1 ", "--1",
                           "1.2.3", "nan", "inf", "1e100001", "1e99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(Decimal::parse(text).has_value());
  }
  CHECK(Decimal::parse(std::string(1000, '9')).has_value());
  CHECK_FALSE(Decimal::parse(std::string(1001, '9')).has_value());
  CHECK(Decimal::parse(std::string(5000, '0') + "1") == number("1"));
  CHECK_FALSE(Decimal::parse(std::string(20'000'000, '0')).has_value());
}

TEST_CASE("decimals are compared exactly") {
  CHECK(Decimal::compare(number("1000000000000001"), number("1000000000000000")) > 0);
  CHECK(number("0.30") == number("3e-1"));
  CHECK(Decimal::compare(number("-2"), number("-1")) < 0);
  CHECK(Decimal::compare(number("-1"), number("0")) < 0);
  CHECK(Decimal::compare(number("0"), number("0.0001")) < 0);
  CHECK(Decimal::compare(number("12"), number("123")) < 0);
  CHECK(Decimal::compare(number("12"), number("1.23")) > 0);
  CHECK(number("1e3").is_integer());
  CHECK(number("1000.0").is_integer());
  CHECK_FALSE(number("10.5").is_integer());
  CHECK(Decimal().is_integer());
}

TEST_CASE("a distance is computed before it is rounded") {
  CHECK(Decimal::distance(number("0.4"), number("0.3")) == 0.1);
  CHECK(Decimal::distance(number("1000000000000000000001"), number("1000000000000000000000")) ==
        1.0);
  CHECK(Decimal::distance(number("-1"), number("2.5")) == 3.5);
  CHECK(Decimal::distance(number("999"), number("-1")) == 1000.0);
  CHECK(Decimal::distance(number("5"), number("5.0")) == 0.0);
  CHECK(Decimal::distance(number("1e300"), number("1")) == 1e300);
  CHECK(Decimal::distance(number("-1e300"), number("1")) == 1e300);
  CHECK(std::isinf(Decimal::distance(number("1e400"), number("1"))));
  CHECK(Decimal::distance(number("1e-400"), number("0")) == 0.0);
}

TEST_CASE("integers of 18 digits are compared and subtracted as integers are") {
  std::mt19937_64 rng(7);
  for (int i = 0; i < 2000; ++i) {
    const auto draw = [&] {
      const auto bits = static_cast<std::int64_t>(rng() >> 4U);
      return (bits >> (rng() % 50)) * (rng() % 2 == 0 ? 1 : -1);
    };
    const std::int64_t a = draw(), b = draw();
    const Decimal x = number(std::to_string(a)), y = number(std::to_string(b));
    INFO(a << " " << b);
    CHECK((Decimal::compare(x, y) < 0) == (a < b));
    CHECK((x == y) == (a == b));
    CHECK(Decimal::distance(x, y) ==
          static_cast<double>(std::abs(static_cast<long double>(a) - b)));
    CHECK(x.text() == std::to_string(a));
  }
}
