// SPDX-License-Identifier: Apache-2.0
// Integers of up to 4096 bits: what an answer to a mathematical problem is counted in.
//
// A library of big integers would be one more dependency of every program for a few hundred lines,
// and none of them is bounded: here a result that would be larger is no number (`fits()` is false,
// as is every result made of it), so that 9^(9^9) costs nothing. 1233 decimal digits fit.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posttrain::rewards {

class BigInteger {
 public:
  static constexpr std::size_t kMostBits = 4096;

  BigInteger() = default;
  BigInteger(std::int64_t value);

  /// Digits 0–9 and letters of either case, in a base from 2 to 36; nothing else may stand there.
  static BigInteger from_digits(std::string_view digits, unsigned base = 10);
  static BigInteger power_of_two(std::size_t exponent);

  /// Whether this is a number at all, and not the result of an operation that grew too large.
  bool fits() const { return fits_; }
  bool is_zero() const { return words_.empty(); }
  bool is_one() const { return !negative_ && words_.size() == 1 && words_[0] == 1; }
  bool is_negative() const { return negative_; }
  bool is_odd() const { return !words_.empty() && (words_[0] & 1U) != 0; }
  /// Words of 32 bits: what an operation's cost grows with.
  std::size_t words() const { return words_.size(); }
  /// Bits of the magnitude; 0 of zero.
  std::size_t bits() const;
  std::size_t trailing_zeros() const;

  /// The value if it has at most 63 bits.
  std::optional<std::int64_t> small() const;
  /// m with |value| = m · 2^exponent and m in [0.5, 1), rounded to 64 bits and then to a double;
  /// 0 of zero.
  double mantissa(std::int64_t& exponent) const;
  /// In decimal.
  std::string digits() const;

  BigInteger operator-() const;
  BigInteger abs() const { return negative_ ? -*this : *this; }
  friend BigInteger operator+(const BigInteger& a, const BigInteger& b);
  friend BigInteger operator-(const BigInteger& a, const BigInteger& b) { return a + -b; }
  friend BigInteger operator*(const BigInteger& a, const BigInteger& b);
  friend bool operator==(const BigInteger& a, const BigInteger& b) = default;
  friend std::strong_ordering operator<=>(const BigInteger& a, const BigInteger& b);

  struct Division;
  /// Rounds towards zero; the remainder has the sign of `a`. `b` must not be zero.
  static Division divide(const BigInteger& a, const BigInteger& b);
  /// Never negative.
  static BigInteger gcd(BigInteger a, BigInteger b);
  BigInteger power(std::uint64_t exponent) const;
  /// The largest integer whose n-th power is at most this (which must not be negative); n ≥ 1.
  BigInteger root(unsigned n) const;

 private:
  static int compare_magnitudes(const BigInteger& a, const BigInteger& b);
  static std::vector<std::uint32_t> add_magnitudes(const BigInteger& a, const BigInteger& b);
  /// |a| ≥ |b|.
  static std::vector<std::uint32_t> subtract_magnitudes(const BigInteger& a, const BigInteger& b);
  static BigInteger no_number();
  /// Drops leading zeros and checks the size.
  void normalize();
  void multiply_add(std::uint32_t factor, std::uint32_t addend);
  /// Divides the magnitude in place; returns the remainder.
  std::uint32_t divide_small(std::uint32_t divisor);

  std::vector<std::uint32_t> words_;  // the magnitude, least significant first
  bool negative_ = false;
  bool fits_ = true;
};

struct BigInteger::Division {
  BigInteger quotient;
  BigInteger remainder;
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/big_integer.ipp"
#endif
