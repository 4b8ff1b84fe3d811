// SPDX-License-Identifier: Apache-2.0
// Fractions of limited integers, in lowest terms: arithmetic is exact, or the result is no number.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "posttrain/rewards/math/big_integer.hpp"

namespace posttrain::rewards {

class Rational {
 public:
  Rational() : denominator_(1) {}
  Rational(std::int64_t value) : numerator_(value), denominator_(1) {}
  Rational(BigInteger value) : numerator_(std::move(value)), denominator_(1) {}
  /// A denominator of zero makes no number.
  Rational(BigInteger numerator, BigInteger denominator);

  /// Whether this is a number, and not the result of a division by zero or of an operation that
  /// grew beyond BigInteger::kMostBits.
  bool fits() const { return numerator_.fits() && denominator_.fits(); }
  bool is_zero() const { return numerator_.is_zero(); }
  bool is_negative() const { return numerator_.is_negative(); }
  bool is_integer() const { return denominator_.is_one(); }
  const BigInteger& numerator() const { return numerator_; }
  const BigInteger& denominator() const { return denominator_; }
  /// Words of 32 bits in both parts: what an operation's cost grows with.
  std::size_t words() const { return numerator_.words() + denominator_.words(); }
  /// The value if it is an integer of at most 63 bits.
  std::optional<std::int64_t> small() const;
  /// The nearest double or one beside it; ±infinity beyond, 0 below its range.
  double to_double() const;
  /// "-3/4" or "5".
  std::string text() const;

  Rational operator-() const;
  Rational abs() const { return is_negative() ? -*this : *this; }
  Rational inverse() const { return {denominator_, numerator_}; }
  friend Rational operator+(const Rational& a, const Rational& b);
  friend Rational operator-(const Rational& a, const Rational& b) { return a + -b; }
  friend Rational operator*(const Rational& a, const Rational& b);
  friend Rational operator/(const Rational& a, const Rational& b) { return a * b.inverse(); }
  friend bool operator==(const Rational& a, const Rational& b) = default;
  /// Both must fit. Exact, but where a product does not fit: then it is of the nearest doubles.
  friend std::strong_ordering operator<=>(const Rational& a, const Rational& b);

  /// 0 to a negative power is no number; 0^0 is 1.
  Rational power(std::int64_t exponent) const;
  /// The real n-th root where it is rational, otherwise nothing. Of a negative number for odd n
  /// only.
  std::optional<Rational> root(unsigned n) const;
  /// The largest integer that is not above.
  Rational floor() const;

 private:
  BigInteger numerator_;
  BigInteger denominator_;  // positive
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/rational.ipp"
#endif
