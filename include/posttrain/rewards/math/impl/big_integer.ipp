// SPDX-License-Identifier: Apache-2.0
// Definitions of big_integer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/big_integer.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE BigInteger::BigInteger(std::int64_t value) : negative_(value < 0) {
  std::uint64_t magnitude =
      value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  for (; magnitude > 0; magnitude >>= 32U) {
    words_.push_back(static_cast<std::uint32_t>(magnitude));
  }
}

POSTTRAIN_INLINE BigInteger BigInteger::no_number() {
  BigInteger none;
  none.fits_ = false;
  return none;
}

POSTTRAIN_INLINE void BigInteger::normalize() {
  while (!words_.empty() && words_.back() == 0) words_.pop_back();
  if (words_.empty()) negative_ = false;
  if (bits() > kMostBits) *this = no_number();
}

POSTTRAIN_INLINE void BigInteger::multiply_add(std::uint32_t factor, std::uint32_t addend) {
  std::uint64_t carry = addend;
  for (std::uint32_t& word : words_) {
    carry += std::uint64_t{word} * factor;
    word = static_cast<std::uint32_t>(carry);
    carry >>= 32U;
  }
  if (carry > 0) words_.push_back(static_cast<std::uint32_t>(carry));
}

POSTTRAIN_INLINE std::uint32_t BigInteger::divide_small(std::uint32_t divisor) {
  std::uint64_t rest = 0;
  for (std::size_t i = words_.size(); i-- > 0;) {
    rest = (rest << 32U) | words_[i];
    words_[i] = static_cast<std::uint32_t>(rest / divisor);
    rest %= divisor;
  }
  while (!words_.empty() && words_.back() == 0) words_.pop_back();
  return static_cast<std::uint32_t>(rest);
}

POSTTRAIN_INLINE BigInteger BigInteger::from_digits(std::string_view digits, unsigned base) {
  BigInteger result;
  for (const char c : digits) {
    const unsigned digit = c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c <= 'Z' ? static_cast<unsigned>(c - 'A') + 10
                                      : static_cast<unsigned>(c - 'a') + 10;
    result.multiply_add(base, digit);
    if (result.words_.size() > kMostBits / 32) return no_number();
  }
  result.normalize();
  return result;
}

POSTTRAIN_INLINE BigInteger BigInteger::power_of_two(std::size_t exponent) {
  if (exponent >= kMostBits) return no_number();
  BigInteger result;
  result.words_.assign(exponent / 32 + 1, 0);
  result.words_.back() = std::uint32_t{1} << (exponent % 32);
  return result;
}

POSTTRAIN_INLINE std::size_t BigInteger::bits() const {
  if (words_.empty()) return 0;
  return words_.size() * 32 - static_cast<std::size_t>(std::countl_zero(words_.back()));
}

POSTTRAIN_INLINE std::size_t BigInteger::trailing_zeros() const {
  std::size_t word = 0;
  while (word < words_.size() && words_[word] == 0) ++word;
  if (word == words_.size()) return 0;
  return word * 32 + static_cast<std::size_t>(std::countr_zero(words_[word]));
}

POSTTRAIN_INLINE std::optional<std::int64_t> BigInteger::small() const {
  if (!fits_ || bits() > 63) return {};
  std::int64_t value = 0;
  for (std::size_t i = words_.size(); i-- > 0;) {
    value = static_cast<std::int64_t>((static_cast<std::uint64_t>(value) << 32U) | words_[i]);
  }
  return negative_ ? -value : value;
}

POSTTRAIN_INLINE double BigInteger::mantissa(std::int64_t& exponent) const {
  exponent = static_cast<std::int64_t>(bits());
  double value = 0.0;
  // Three words hold at least 65 bits: what lies below is under half a unit of a double's last bit.
  const std::size_t low = words_.size() > 3 ? words_.size() - 3 : 0;
  for (std::size_t i = words_.size(); i-- > low;) {
    value += std::ldexp(static_cast<double>(words_[i]),
                        static_cast<int>(i * 32) - static_cast<int>(exponent));
  }
  return value;
}

POSTTRAIN_INLINE std::string BigInteger::digits() const {
  if (!fits_) return "?";
  if (words_.empty()) return "0";
  BigInteger rest = *this;
  std::string text;
  while (!rest.words_.empty()) {
    std::uint32_t chunk = rest.divide_small(1000000000U);
    for (int i = 0; i < 9 && (chunk > 0 || !rest.words_.empty()); ++i, chunk /= 10) {
      text += static_cast<char>('0' + chunk % 10);
    }
  }
  if (negative_) text += '-';
  return {text.rbegin(), text.rend()};
}

POSTTRAIN_INLINE BigInteger BigInteger::operator-() const {
  BigInteger result = *this;
  result.negative_ = !negative_ && !words_.empty();
  return result;
}

POSTTRAIN_INLINE int BigInteger::compare_magnitudes(const BigInteger& a, const BigInteger& b) {
  if (a.words_.size() != b.words_.size()) return a.words_.size() < b.words_.size() ? -1 : 1;
  for (std::size_t i = a.words_.size(); i-- > 0;) {
    if (a.words_[i] != b.words_[i]) return a.words_[i] < b.words_[i] ? -1 : 1;
  }
  return 0;
}

POSTTRAIN_INLINE std::vector<std::uint32_t> BigInteger::add_magnitudes(const BigInteger& a,
                                                                       const BigInteger& b) {
  const auto& longer = a.words_.size() < b.words_.size() ? b.words_ : a.words_;
  const auto& shorter = a.words_.size() < b.words_.size() ? a.words_ : b.words_;
  std::vector<std::uint32_t> sum = longer;
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    carry += std::uint64_t{sum[i]} + (i < shorter.size() ? shorter[i] : 0U);
    sum[i] = static_cast<std::uint32_t>(carry);
    carry >>= 32U;
  }
  if (carry > 0) sum.push_back(static_cast<std::uint32_t>(carry));
  return sum;
}

POSTTRAIN_INLINE std::vector<std::uint32_t> BigInteger::subtract_magnitudes(const BigInteger& a,
                                                                            const BigInteger& b) {
  std::vector<std::uint32_t> difference = a.words_;
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < difference.size(); ++i) {
    const std::uint64_t taken = borrow + (i < b.words_.size() ? b.words_[i] : 0U);
    borrow = taken > difference[i] ? 1 : 0;
    difference[i] = static_cast<std::uint32_t>(difference[i] - taken);
  }
  return difference;
}

POSTTRAIN_INLINE BigInteger operator+(const BigInteger& a, const BigInteger& b) {
  if (!a.fits_ || !b.fits_) return BigInteger::no_number();
  BigInteger result;
  if (a.negative_ == b.negative_) {
    result.words_ = BigInteger::add_magnitudes(a, b);
    result.negative_ = a.negative_;
  } else if (BigInteger::compare_magnitudes(a, b) >= 0) {
    result.words_ = BigInteger::subtract_magnitudes(a, b);
    result.negative_ = a.negative_;
  } else {
    result.words_ = BigInteger::subtract_magnitudes(b, a);
    result.negative_ = b.negative_;
  }
  result.normalize();
  return result;
}

POSTTRAIN_INLINE BigInteger operator*(const BigInteger& a, const BigInteger& b) {
  if (!a.fits_ || !b.fits_ || a.bits() + b.bits() > BigInteger::kMostBits + 1) {
    return a.fits_ && b.fits_ && (a.is_zero() || b.is_zero()) ? BigInteger()
                                                              : BigInteger::no_number();
  }
  BigInteger result;
  result.words_.assign(a.words_.size() + b.words_.size(), 0);
  for (std::size_t i = 0; i < a.words_.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.words_.size(); ++j) {
      carry += std::uint64_t{a.words_[i]} * b.words_[j] + result.words_[i + j];
      result.words_[i + j] = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    result.words_[i + b.words_.size()] = static_cast<std::uint32_t>(carry);
  }
  result.negative_ = a.negative_ != b.negative_;
  result.normalize();
  return result;
}

POSTTRAIN_INLINE std::strong_ordering operator<=>(const BigInteger& a, const BigInteger& b) {
  if (a.negative_ != b.negative_) {
    return a.negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  const int order = BigInteger::compare_magnitudes(a, b);
  return (a.negative_ ? -order : order) <=> 0;
}

// Schoolbook division in base 2^32 (Knuth, The Art of Computer Programming, 4.3.1, algorithm D).
POSTTRAIN_INLINE BigInteger::Division BigInteger::divide(const BigInteger& a, const BigInteger& b) {
  if (!a.fits_ || !b.fits_ || b.is_zero()) return {no_number(), no_number()};
  if (compare_magnitudes(a, b) < 0) return {BigInteger(), a};
  Division result;
  result.quotient.negative_ = a.negative_ != b.negative_;
  result.remainder.negative_ = a.negative_;
  if (b.words_.size() == 1) {
    result.quotient.words_ = a.words_;
    const std::uint32_t rest = result.quotient.divide_small(b.words_[0]);
    if (rest > 0) result.remainder.words_ = {rest};
  } else {
    const auto shift = static_cast<unsigned>(std::countl_zero(b.words_.back()));
    const std::size_t n = b.words_.size();
    const std::size_t m = a.words_.size() - n;
    // Both shifted, so that the divisor's highest bit is set.
    const auto shifted = [shift](const std::vector<std::uint32_t>& words, std::size_t size) {
      std::vector<std::uint32_t> out(size, 0);
      std::uint64_t carry = 0;
      for (std::size_t i = 0; i < size; ++i) {
        carry |= (i < words.size() ? std::uint64_t{words[i]} : 0U) << shift;
        out[i] = static_cast<std::uint32_t>(carry);
        carry >>= 32U;
      }
      return out;
    };
    std::vector<std::uint32_t> u = shifted(a.words_, a.words_.size() + 1);
    const std::vector<std::uint32_t> v = shifted(b.words_, n);
    auto& quotient = result.quotient.words_;
    quotient.assign(m + 1, 0);
    for (std::size_t j = m + 1; j-- > 0;) {
      const std::uint64_t top = (std::uint64_t{u[j + n]} << 32U) | u[j + n - 1];
      std::uint64_t guess = top / v[n - 1];
      std::uint64_t rest = top % v[n - 1];
      while (guess >> 32U != 0 || guess * v[n - 2] > ((rest << 32U) | u[j + n - 2])) {
        --guess;
        rest += v[n - 1];
        if (rest >> 32U != 0) break;
      }
      std::uint64_t carry = 0;
      std::uint64_t borrow = 0;
      for (std::size_t i = 0; i <= n; ++i) {
        carry += i < n ? guess * v[i] : 0U;
        const std::uint64_t taken = borrow + static_cast<std::uint32_t>(carry);
        borrow = taken > u[i + j] ? 1 : 0;
        u[i + j] = static_cast<std::uint32_t>(u[i + j] - taken);
        carry >>= 32U;
      }
      if (borrow != 0) {  // the guess was one too large
        --guess;
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i <= n; ++i) {
          sum += std::uint64_t{u[i + j]} + (i < n ? v[i] : 0U);
          u[i + j] = static_cast<std::uint32_t>(sum);
          sum >>= 32U;
        }
      }
      quotient[j] = static_cast<std::uint32_t>(guess);
    }
    auto& remainder = result.remainder.words_;
    remainder.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t pair = (std::uint64_t{u[i + 1]} << 32U) | u[i];
      remainder[i] = static_cast<std::uint32_t>(pair >> shift);
    }
  }
  result.quotient.normalize();
  result.remainder.normalize();
  return result;
}

POSTTRAIN_INLINE BigInteger BigInteger::gcd(BigInteger a, BigInteger b) {
  if (!a.fits_ || !b.fits_) return no_number();
  a.negative_ = b.negative_ = false;
  while (!b.is_zero()) {
    if (a.words_.size() <= 2 &&
        b.words_.size() <= 2) {  // the end of every run, and most runs whole
      const auto word = [](const BigInteger& x) {
        return (x.words_.size() > 1 ? std::uint64_t{x.words_[1]} << 32U : 0U) |
               (x.words_.empty() ? 0U : x.words_[0]);
      };
      std::uint64_t x = word(a), y = word(b);
      while (y != 0) x = std::exchange(y, x % y);
      BigInteger result;
      result.words_ = {static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(x >> 32U)};
      result.normalize();
      return result;
    }
    BigInteger remainder = divide(a, b).remainder;
    a = std::move(b);
    b = std::move(remainder);
  }
  return a;
}

POSTTRAIN_INLINE BigInteger BigInteger::power(std::uint64_t exponent) const {
  if (!fits_) return no_number();
  if (exponent == 0) return 1;
  if (words_.empty() || (words_.size() == 1 && words_[0] == 1)) {
    return negative_ && exponent % 2 == 0 ? -*this : *this;
  }
  // |x| ≥ 2^(bits − 1): refused before anything is multiplied.
  if (exponent >= kMostBits || (bits() - 1) * exponent >= kMostBits) return no_number();
  BigInteger result = 1, square = *this;
  for (; exponent > 0; exponent >>= 1U) {
    if ((exponent & 1U) != 0) result = result * square;
    if (exponent > 1) square = square * square;
  }
  return result;
}

// Newton's iteration from above.
POSTTRAIN_INLINE BigInteger BigInteger::root(unsigned n) const {
  if (!fits_ || negative_ || n == 0) return no_number();
  if (n == 1 || is_zero()) return *this;
  if (bits() <= n) return 1;
  BigInteger guess = power_of_two((bits() + n - 1) / n);
  while (true) {
    const BigInteger next =
        divide(BigInteger(n - 1) * guess + divide(*this, guess.power(n - 1)).quotient,
               BigInteger(n))
            .quotient;
    if (!next.fits_) return no_number();
    if (next >= guess) return guess;
    guess = next;
  }
}

}  // namespace posttrain::rewards
