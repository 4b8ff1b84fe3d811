// SPDX-License-Identifier: Apache-2.0
// A decimal number as it was written, of any length: compared exactly, where a double could not
// tell 1000000000000001 from 1000000000000000 or would take 0.1 + 0.2 for something else than 0.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace posttrain::rewards {

class Decimal {
 public:
  static constexpr std::size_t kMostDigits = 1000;           // of the significand
  static constexpr std::int64_t kLargestExponent = 100'000;  // of ten, either sign

  Decimal() = default;  // 0

  /// "[+-]digits[.digits][e[+-]digits]" with a digit on one side of the point at least. Nothing
  /// where the text is something else, or beyond the limits.
  static std::optional<Decimal> parse(std::string_view text);

  /// value · 10^power.
  Decimal shifted(std::int64_t power) const;

  bool is_zero() const { return digits_.empty(); }
  bool negative() const { return negative_; }
  /// Whether nothing stands behind the point.
  bool is_integer() const;

  /// Negative, 0 or positive as a < b, a = b or a > b; exact. Zero has no sign.
  static int compare(const Decimal& a, const Decimal& b);

  /// |a − b|, computed exactly and then rounded; infinity beyond a double's range.
  static double distance(const Decimal& a, const Decimal& b);

  /// The nearest double; infinity beyond its range.
  double to_double() const;

  /// One text for each value: "-12.5", "0"; "1e+50" where plain digits would need more than 40.
  std::string text() const;

  friend bool operator==(const Decimal& a, const Decimal& b) { return compare(a, b) == 0; }

 private:
  static int compare_magnitudes(const Decimal& a, const Decimal& b);

  // ±0.d₁d₂… · 10^exponent; the first and the last digit are not 0.
  bool negative_ = false;
  std::string digits_;
  std::int64_t exponent_ = 0;
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/text/impl/decimal.ipp"
#endif
