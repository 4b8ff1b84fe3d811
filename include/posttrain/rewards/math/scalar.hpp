// SPDX-License-Identifier: Apache-2.0
// Whether two numbers, or two expressions in the same symbols, are equal.
//
// Rationals are compared exactly, whatever their size, unless one was written with a decimal point:
// that one may be off by the tolerance, relative to the larger, but never between integers. All
// others must agree at eight keyed points within the bound of their rounding (evaluate.hpp). What
// cannot be decided is said to be so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "posttrain/rewards/math/evaluate.hpp"
#include "posttrain/rewards/math/expression.hpp"

namespace posttrain::rewards {

enum class Equality : std::uint8_t { equal, different, undecided };

namespace detail {
struct ScalarFacts {
  bool decimals = false;
  bool symbols = false;
  bool real_points = false;
};
}  // namespace detail

/// An expression with what has been computed of it. Keeps a reference to it.
class Scalar {
 public:
  explicit Scalar(const Expression& expression) : expression_(expression) {}

  const Expression& expression() const { return expression_; }
  const ExactValue& exact();
  const std::string& canonical_text();
  const SampledValue& sample(std::size_t draw, bool real);
  bool has_decimals();
  bool has_symbols();
  bool needs_real_points();

  static constexpr std::size_t kDraws = 24;  // of which kPoints must decide
  static constexpr int kPoints = 8;

 private:
  const detail::ScalarFacts& facts();

  const Expression& expression_;
  std::optional<ExactValue> exact_;
  std::optional<detail::ScalarFacts> facts_;
  std::string canonical_;
  std::array<std::optional<SampledValue>, kDraws> samples_;
  bool samples_real_ = false;
};

/// `tolerance`: relative, of numbers with a decimal point.
Equality equality(Scalar& a, Scalar& b, double tolerance);

/// Whether a is c · b with the same number c ≠ 0 at all points: equations that say the same.
/// `positive`: c must be a positive number, as for inequalities.
Equality proportionality(Scalar& a, Scalar& b, double tolerance, bool positive);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/scalar.ipp"
#endif
