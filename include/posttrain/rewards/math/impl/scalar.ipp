// SPDX-License-Identifier: Apache-2.0
// Definitions of scalar.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/scalar.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE const ExactValue& Scalar::exact() {
  if (!exact_) exact_ = exact_value(expression_);
  return *exact_;
}

POSTTRAIN_INLINE const std::string& Scalar::canonical_text() {
  if (canonical_.empty()) canonical_ = canonical(expression_);
  return canonical_;
}

POSTTRAIN_INLINE const detail::ScalarFacts& Scalar::facts() {
  if (!facts_) {
    using Kind = ExpressionKind;
    facts_ = detail::ScalarFacts{};
    facts_->decimals = contains(expression_, [](const Expression& node) { return node.decimal; });
    facts_->symbols =
        contains(expression_, [](const Expression& node) { return node.is(Kind::symbol); });
    facts_->real_points = rewards::needs_real_points(expression_);
  }
  return *facts_;
}

POSTTRAIN_INLINE bool Scalar::has_decimals() { return facts().decimals; }
POSTTRAIN_INLINE bool Scalar::has_symbols() { return facts().symbols; }
POSTTRAIN_INLINE bool Scalar::needs_real_points() { return facts().real_points; }

POSTTRAIN_INLINE const SampledValue& Scalar::sample(std::size_t draw, bool real) {
  if (samples_real_ != real) {
    samples_.fill({});
    samples_real_ = real;
  }
  auto& kept = samples_[draw];
  if (!kept) kept = sampled_value(expression_, {.draw = draw, .real = real});
  return *kept;
}

namespace detail {

/// |a − b| ≤ tolerance · max(|a|, |b|), with room for the rounding of the tolerance itself.
inline bool within_tolerance(const Rational& a, const Rational& b, double tolerance) {
  if (tolerance <= 0.0) return false;
  const Rational larger = a.abs() < b.abs() ? b.abs() : a.abs();
  const Rational share = (a - b).abs() / larger;
  if (share.fits()) return share.to_double() <= tolerance * (1.0 + 1e-9);
  const double x = a.to_double(), y = b.to_double();
  return std::isfinite(x) && std::isfinite(y) &&
         std::abs(x - y) <= tolerance * std::max(std::abs(x), std::abs(y));
}

/// Whether one number has a base and the other, without one, has the same digits: 101 for 101_2.
/// Its value in base ten would be what the question gave.
inline bool same_digits(const Expression& a, const Expression& b) {
  const Expression& based = a.base == 10 ? b : a;
  const Expression& plain = a.base == 10 ? a : b;
  if (plain.base != 10 || !plain.is(ExpressionKind::number) || plain.decimal) return false;
  const std::string digits = plain.value.text();
  for (const char c : digits) {
    if (c < '0' || c > '9' || c - '0' >= based.base) return false;
  }
  return Rational(BigInteger::from_digits(digits, static_cast<unsigned>(based.base))) ==
         based.value;
}

/// What one point says.
inline Equality equality_at(const SampledValue& a, const SampledValue& b, bool zero,
                            double tolerance) {
  if (!a.defined || !b.defined) return Equality::undecided;
  const double difference = std::abs(a.value - b.value);
  const double scale = std::max(std::abs(a.value), std::abs(b.value));
  const double error = a.error + b.error;
  if (difference > 8 * error + tolerance * scale) return Equality::different;
  // Equal as far as can be seen: was it far enough? Beside an exact zero there is no scale.
  if (a.absorbed || b.absorbed) return Equality::undecided;
  const bool nothing = std::abs(a.value) <= 8 * a.error && std::abs(b.value) <= 8 * b.error;
  if (nothing && error <= 1e-12) return Equality::equal;
  const bool clear = zero ? error <= 1e-9 : error <= 1e-8 * scale;
  return clear ? Equality::equal : Equality::undecided;
}

inline bool is_exact_zero(Scalar& x) {
  return x.exact().exactness == Exactness::rational && x.exact().value.is_zero();
}

}  // namespace detail

POSTTRAIN_INLINE Equality equality(Scalar& a, Scalar& b, double tolerance) {
  const bool decimals = a.has_decimals() || b.has_decimals();
  const ExactValue& x = a.exact();
  const ExactValue& y = b.exact();
  if (x.exactness == Exactness::undefined || y.exactness == Exactness::undefined) {
    return Equality::different;
  }
  if (a.expression().base != b.expression().base) {
    return detail::same_digits(a.expression(), b.expression()) ? Equality::equal
                                                               : Equality::different;
  }
  if (x.exactness == Exactness::rational && y.exactness == Exactness::rational) {
    if (x.value == y.value) return Equality::equal;
    const bool integers = x.value.is_integer() && y.value.is_integer();
    return decimals && !integers && detail::within_tolerance(x.value, y.value, tolerance)
               ? Equality::equal
               : Equality::different;
  }
  if (a.canonical_text() == b.canonical_text()) return Equality::equal;
  if (x.exactness == Exactness::too_large || y.exactness == Exactness::too_large) {
    return Equality::undecided;
  }
  const bool real = a.needs_real_points() || b.needs_real_points();
  const bool zero = detail::is_exact_zero(a) || detail::is_exact_zero(b);
  const bool symbols = a.has_symbols() || b.has_symbols();
  const std::size_t draws = symbols ? Scalar::kDraws : 1;
  int agreed = 0;
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const Equality here = detail::equality_at(a.sample(draw, real), b.sample(draw, real), zero,
                                              decimals ? tolerance : 0.0);
    if (here == Equality::different) return Equality::different;
    if (here == Equality::equal && ++agreed == (symbols ? Scalar::kPoints : 1)) {
      return Equality::equal;
    }
  }
  return Equality::undecided;
}

POSTTRAIN_INLINE Equality proportionality(Scalar& a, Scalar& b, double tolerance, bool positive) {
  if (!a.has_symbols() || !b.has_symbols()) {
    return a.canonical_text() == b.canonical_text() ? Equality::equal : Equality::different;
  }
  const bool real = a.needs_real_points() || b.needs_real_points();
  if (!(a.has_decimals() || b.has_decimals())) tolerance = 0.0;
  std::optional<std::complex<double>> ratio;
  double ratio_error = 0.0;
  int agreed = 0;
  for (std::size_t draw = 0; draw < Scalar::kDraws; ++draw) {
    const SampledValue& x = a.sample(draw, real);
    const SampledValue& y = b.sample(draw, real);
    if (!x.defined || !y.defined || x.absorbed || y.absorbed) continue;
    const double above = std::abs(x.value), below = std::abs(y.value);
    if (above <= 1e8 * x.error || below <= 1e8 * y.error) continue;
    const std::complex<double> here = x.value / y.value;
    const double error = std::abs(here) * (x.error / above + y.error / below + kRounding);
    if (!ratio) {
      ratio = here;
      ratio_error = error;
      const bool is_positive = here.real() > 0 && std::abs(here.imag()) <= 8 * error;
      if (positive && !is_positive) return Equality::different;
    } else if (std::abs(here - *ratio) > 8 * (error + ratio_error) + tolerance * std::abs(here)) {
      return Equality::different;
    }
    if (++agreed == Scalar::kPoints) return Equality::equal;
  }
  return Equality::undecided;
}

}  // namespace posttrain::rewards
