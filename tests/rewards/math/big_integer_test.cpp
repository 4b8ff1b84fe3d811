// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/big_integer.hpp"

#include <cstdint>
#include <numeric>
#include <string>

#include "posttrain/base/rng.hpp"
#include "support/catch.hpp"

using posttrain::Philox4x32;
using posttrain::rewards::BigInteger;

namespace {

/// Of up to this many bits, with long runs of equal bits now and then: what carries trip over.
BigInteger random_integer(Philox4x32& rng, std::size_t most_bits) {
  const std::size_t bits = rng.below(most_bits) + 1;
  BigInteger result;
  for (std::size_t done = 0; done < bits; done += 32) {
    const std::uint64_t kind = rng.below(4);
    const std::int64_t word = kind == 0 ? 0 : kind == 1 ? 0xffffffff : std::int64_t{rng.next_u32()};
    result = result * BigInteger(std::int64_t{1} << 32) + BigInteger(word);
  }
  return rng.below(2) == 0 ? result : -result;
}

}  // namespace

TEST_CASE("Digits are read and written in decimal") {
  for (const std::string digits :
       {"0", "7", "4294967295", "4294967296", "1000000000", "18446744073709551616",
        "123456789012345678901234567890123456789012345678901234567890"}) {
    CHECK(BigInteger::from_digits(digits).digits() == digits);
  }
  CHECK(BigInteger::from_digits("000123").digits() == "123");
  CHECK((-BigInteger::from_digits("1000000000000000000000")).digits() == "-1000000000000000000000");
  CHECK(BigInteger::from_digits("101", 2) == BigInteger(5));
  CHECK(BigInteger::from_digits("fF", 16) == BigInteger(255));
  CHECK(BigInteger(INT64_MIN).digits() == "-9223372036854775808");
  CHECK(BigInteger(0) == -BigInteger(0));
}

TEST_CASE("Factorials and powers have their known values") {
  BigInteger factorial = 1;
  for (int i = 2; i <= 30; ++i) factorial = factorial * BigInteger(i);
  CHECK(factorial.digits() == "265252859812191058636308480000000");
  CHECK(BigInteger(2).power(100).digits() == "1267650600228229401496703205376");
  CHECK(BigInteger(-3).power(3) == BigInteger(-27));
  CHECK(BigInteger(-1).power(1000000007) == BigInteger(-1));
  CHECK(BigInteger(0).power(0) == BigInteger(1));
}

TEST_CASE("Division and multiplication undo each other") {
  Philox4x32 rng(11);
  for (int i = 0; i < 3000; ++i) {
    const BigInteger a = random_integer(rng, 2000), b = random_integer(rng, 1000);
    if (b.is_zero()) continue;
    const auto [quotient, remainder] = BigInteger::divide(a, b);
    REQUIRE(quotient * b + remainder == a);
    REQUIRE(remainder.abs() < b.abs());
    REQUIRE((remainder.is_zero() || remainder.is_negative() == a.is_negative()));
    REQUIRE(BigInteger::divide(a * b, b).quotient == a);
    REQUIRE(a - b + b == a);
    REQUIRE((a + b) * (a - b) == a * a - b * b);
  }
}

TEST_CASE("Division corrects a quotient digit that was guessed too large") {
  // The cases in which Knuth's step D6 adds back.
  const BigInteger a = BigInteger::power_of_two(159) - BigInteger::power_of_two(96);
  const BigInteger b = BigInteger::power_of_two(95) + BigInteger(1);
  const auto [quotient, remainder] = BigInteger::divide(a, b);
  CHECK(quotient * b + remainder == a);
  CHECK(remainder < b);
}

TEST_CASE("The greatest common divisor is that of the standard library, and divides") {
  Philox4x32 rng(12);
  for (int i = 0; i < 1000; ++i) {
    const auto a = static_cast<std::int64_t>(rng.next_u64() >> 2);
    const auto b = static_cast<std::int64_t>(rng.next_u64() >> 40);
    REQUIRE(BigInteger::gcd(a, -b) == BigInteger(std::gcd(a, b)));
    const BigInteger x = random_integer(rng, 300), y = random_integer(rng, 300),
                     common = random_integer(rng, 300);
    const BigInteger divisor = BigInteger::gcd(x * common, y * common);
    if (common.is_zero() || (x.is_zero() && y.is_zero())) continue;
    REQUIRE(BigInteger::divide(divisor, common).remainder.is_zero());
    REQUIRE(divisor == BigInteger::gcd(x, y) * common.abs());
  }
}

TEST_CASE("A root is the largest integer whose power is not above") {
  Philox4x32 rng(13);
  for (int i = 0; i < 500; ++i) {
    const BigInteger x = random_integer(rng, 1500).abs();
    const auto n = static_cast<unsigned>(rng.below(9) + 1);
    const BigInteger root = x.root(n);
    REQUIRE(root.power(n) <= x);
    REQUIRE((root + BigInteger(1)).power(n) > x);
  }
  CHECK(BigInteger(2).power(4000).root(2) == BigInteger(2).power(2000));
  CHECK(!BigInteger(-4).root(2).fits());
}

TEST_CASE("A result beyond 4096 bits is no number, nor is what is made of it") {
  const BigInteger large = BigInteger::power_of_two(4095);
  CHECK(large.fits());
  CHECK(large.bits() == 4096);
  CHECK_FALSE((large + large).fits());
  CHECK_FALSE((large * BigInteger(2)).fits());
  CHECK((large + (large - BigInteger(1))).fits());
  CHECK_FALSE(BigInteger(9).power(387420489).fits());
  CHECK_FALSE(BigInteger(2).power(4096).fits());
  CHECK_FALSE(BigInteger::from_digits(std::string(1240, '9')).fits());
  CHECK(BigInteger::from_digits(std::string(1233, '9')).fits());
  const BigInteger none = large * large;
  CHECK_FALSE((none + BigInteger(1)).fits());
  CHECK_FALSE((none - none).fits());
  CHECK_FALSE(BigInteger::gcd(none, 6).fits());
  CHECK_FALSE(BigInteger::divide(5, 0).quotient.fits());
  CHECK(none.digits() == "?");
}

TEST_CASE("Numbers are ordered, and small ones are machine integers") {
  CHECK(BigInteger(-5) < BigInteger(-4));
  CHECK(BigInteger(-5) < BigInteger(0));
  CHECK(BigInteger::power_of_two(64) > BigInteger(INT64_MAX));
  CHECK(BigInteger(INT64_MAX).small() == INT64_MAX);
  CHECK(BigInteger(-7).small() == -7);
  CHECK_FALSE(BigInteger::power_of_two(63).small());
  std::int64_t exponent = 0;
  CHECK(BigInteger(3).mantissa(exponent) == 0.75);
  CHECK(exponent == 2);
  CHECK(BigInteger::power_of_two(1000).mantissa(exponent) == 0.5);
  CHECK(exponent == 1001);
  CHECK(BigInteger(12).trailing_zeros() == 2);
}
