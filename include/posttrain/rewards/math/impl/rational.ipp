// SPDX-License-Identifier: Apache-2.0
// Definitions of rational.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/rational.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE Rational::Rational(BigInteger numerator, BigInteger denominator)
    : numerator_(std::move(numerator)), denominator_(std::move(denominator)) {
  if (denominator_.is_negative()) {
    numerator_ = -numerator_;
    denominator_ = -denominator_;
  }
  if (denominator_.is_one()) return;
  if (denominator_.is_zero()) {
    denominator_ = BigInteger::power_of_two(BigInteger::kMostBits);  // does not fit
    return;
  }
  const BigInteger common = BigInteger::gcd(numerator_, denominator_);
  if (common.is_one()) return;
  numerator_ = BigInteger::divide(numerator_, common).quotient;
  denominator_ = BigInteger::divide(denominator_, common).quotient;
}

POSTTRAIN_INLINE std::optional<std::int64_t> Rational::small() const {
  return is_integer() ? numerator_.small() : std::nullopt;
}

POSTTRAIN_INLINE double Rational::to_double() const {
  std::int64_t above = 0, below = 0;
  const double top = numerator_.mantissa(above);
  const double bottom = denominator_.mantissa(below);
  const double value = std::ldexp(top / bottom, static_cast<int>(above - below));
  return is_negative() ? -value : value;
}

POSTTRAIN_INLINE std::string Rational::text() const {
  return is_integer() ? numerator_.digits() : numerator_.digits() + "/" + denominator_.digits();
}

POSTTRAIN_INLINE Rational Rational::operator-() const {
  Rational result = *this;
  result.numerator_ = -numerator_;
  return result;
}

POSTTRAIN_INLINE Rational operator+(const Rational& a, const Rational& b) {
  return {a.numerator_ * b.denominator_ + b.numerator_ * a.denominator_,
          a.denominator_ * b.denominator_};
}

POSTTRAIN_INLINE Rational operator*(const Rational& a, const Rational& b) {
  return {a.numerator_ * b.numerator_, a.denominator_ * b.denominator_};
}

POSTTRAIN_INLINE std::strong_ordering operator<=>(const Rational& a, const Rational& b) {
  const BigInteger left = a.numerator_ * b.denominator_;
  const BigInteger right = b.numerator_ * a.denominator_;
  if (left.fits() && right.fits()) return left <=> right;
  const double x = a.to_double(), y = b.to_double();
  return x < y   ? std::strong_ordering::less
         : x > y ? std::strong_ordering::greater
                 : std::strong_ordering::equal;
}

POSTTRAIN_INLINE Rational Rational::power(std::int64_t exponent) const {
  if (exponent < 0) return exponent == INT64_MIN ? Rational(1, 0) : inverse().power(-exponent);
  const auto n = static_cast<std::uint64_t>(exponent);
  Rational result;
  result.numerator_ = numerator_.power(n);  // stays in lowest terms
  result.denominator_ = denominator_.power(n);
  return result;
}

POSTTRAIN_INLINE std::optional<Rational> Rational::root(unsigned n) const {
  if (!fits() || n == 0 || (is_negative() && n % 2 == 0)) return {};
  const BigInteger above = numerator_.abs().root(n);
  const BigInteger below = denominator_.root(n);
  if (above.power(n) != numerator_.abs() || below.power(n) != denominator_) return {};
  return Rational(is_negative() ? -above : above, below);
}

POSTTRAIN_INLINE Rational Rational::floor() const {
  auto [quotient, remainder] = BigInteger::divide(numerator_, denominator_);
  return remainder.is_negative() ? Rational(quotient - 1) : Rational(std::move(quotient));
}

}  // namespace posttrain::rewards
