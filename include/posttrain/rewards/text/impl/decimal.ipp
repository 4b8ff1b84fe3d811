// SPDX-License-Identifier: Apache-2.0
// Definitions of decimal.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/text/decimal.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE std::optional<Decimal> Decimal::parse(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  Decimal value;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) value.negative_ = text[at++] == '-';
  const std::size_t begin = at;
  std::size_t before_point = 0;
  for (; at < text.size() && is_digit(text[at]); ++at, ++before_point) value.digits_ += text[at];
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && is_digit(text[at]); ++at) value.digits_ += text[at];
  }
  if (value.digits_.empty() || at == begin) return std::nullopt;
  if (value.digits_.size() > 10 * kMostDigits) return std::nullopt;
  value.exponent_ = static_cast<std::int64_t>(before_point);
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool down = false;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) down = text[at++] == '-';
    std::int64_t power = 0;
    const std::size_t first = at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      power = std::min(10 * power + (text[at] - '0'), 10 * kLargestExponent);
    }
    if (at == first) return std::nullopt;
    value.exponent_ += down ? -power : power;
  }
  if (at != text.size()) return std::nullopt;
  const std::size_t zeros = std::min(value.digits_.find_first_not_of('0'), value.digits_.size());
  value.digits_.erase(0, zeros);
  value.digits_.resize(value.digits_.find_last_not_of('0') + 1);
  value.exponent_ -= static_cast<std::int64_t>(zeros);
  if (value.digits_.empty()) return Decimal();
  if (value.digits_.size() > kMostDigits || std::abs(value.exponent_) > kLargestExponent) {
    return std::nullopt;
  }
  return value;
}

POSTTRAIN_INLINE Decimal Decimal::shifted(std::int64_t power) const {
  Decimal value = *this;
  if (!value.is_zero()) value.exponent_ += power;
  return value;
}

POSTTRAIN_INLINE bool Decimal::is_integer() const {
  return static_cast<std::int64_t>(digits_.size()) <= exponent_ || is_zero();
}

POSTTRAIN_INLINE int Decimal::compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.is_zero() || b.is_zero())
    return static_cast<int>(b.is_zero()) - static_cast<int>(a.is_zero());
  if (a.exponent_ != b.exponent_) return a.exponent_ < b.exponent_ ? -1 : 1;
  return a.digits_.compare(b.digits_);  // "12" < "123": the digits that lack are zeros
}

POSTTRAIN_INLINE int Decimal::compare(const Decimal& a, const Decimal& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? -1 : 1;
  return a.negative_ ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

POSTTRAIN_INLINE double Decimal::distance(const Decimal& a, const Decimal& b) {
  const bool swap = compare_magnitudes(a, b) < 0;
  const Decimal& large = swap ? b : a;
  const Decimal& small = swap ? a : b;
  // Beyond this the smaller one is no part of a double's rounding.
  constexpr std::int64_t kFarApart = 100;
  if (small.is_zero() || large.exponent_ - small.exponent_ > kFarApart) {
    return std::abs(large.to_double());
  }
  // Both as integers of the unit 10^low, one digit more for a carry.
  const auto lowest = [](const Decimal& value) {
    return value.exponent_ - static_cast<std::int64_t>(value.digits_.size());
  };
  const std::int64_t low = std::min(lowest(large), lowest(small));
  const auto width = static_cast<std::size_t>(large.exponent_ - low) + 1;
  const auto aligned = [&](const Decimal& value) {
    std::string digits(static_cast<std::size_t>(large.exponent_ - value.exponent_) + 1, '0');
    digits += value.digits_;
    digits.resize(width, '0');
    return digits;
  };
  std::string result = aligned(large);
  const std::string other = aligned(small);
  const int sign = a.negative_ == b.negative_ ? -1 : 1;
  int carry = 0;
  for (std::size_t i = width; i-- > 0;) {
    const int digit = (result[i] - '0') + sign * (other[i] - '0') + carry;
    carry = digit < 0 ? -1 : digit / 10;
    result[i] = static_cast<char>('0' + (digit + 10) % 10);
  }
  Decimal difference;
  const std::size_t zeros = std::min(result.find_first_not_of('0'), result.size());
  difference.digits_ = result.substr(zeros);
  difference.exponent_ = large.exponent_ + 1 - static_cast<std::int64_t>(zeros);
  return difference.digits_.empty() ? 0.0 : difference.to_double();
}

POSTTRAIN_INLINE double Decimal::to_double() const {
  if (is_zero()) return 0.0;
  const std::string text = fmt::format("{}0.{}e{}", negative_ ? "-" : "", digits_, exponent_);
  double value = 0.0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  if (exponent_ < 0) return 0.0;
  const double infinity = std::numeric_limits<double>::infinity();
  return negative_ ? -infinity : infinity;
}

POSTTRAIN_INLINE std::string Decimal::text() const {
  if (is_zero()) return "0";
  const auto size = static_cast<std::int64_t>(digits_.size());
  constexpr std::int64_t kPlain = 40;
  std::string out = negative_ ? "-" : "";
  if (exponent_ > kPlain || exponent_ < -kPlain) {
    out += digits_.substr(0, 1);
    if (size > 1) out += "." + digits_.substr(1);
    return out + fmt::format("e{:+}", exponent_ - 1);
  }
  if (exponent_ <= 0)
    return out + "0." + std::string(static_cast<std::size_t>(-exponent_), '0') + digits_;
  if (size <= exponent_) {
    return out + digits_ + std::string(static_cast<std::size_t>(exponent_ - size), '0');
  }
  const auto point = static_cast<std::size_t>(exponent_);
  return out + digits_.substr(0, point) + "." + digits_.substr(point);
}

}  // namespace posttrain::rewards
