// SPDX-License-Identifier: Apache-2.0
// What an expression is worth: exactly where it is rational, otherwise in complex doubles with a
// bound of their rounding, its symbols standing for keyed random numbers.
//
// Two expressions are the same function if they agree at enough random points (Schwartz–Zippel for
// polynomials). How far the results may differ is not a tolerance but what rounding can have done:
// each value carries the first-order bound of its error. A term that vanishes beside others (1 +
// 10^-20), or an integer beyond a double's 53 bits, is noted: such a value decides nothing.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "posttrain/rewards/math/expression.hpp"

namespace posttrain::rewards {

/// How exact arithmetic ended.
enum class Exactness : std::uint8_t {
  rational,    // value is exact
  irrational,  // symbols, roots, functions: not decided by rational arithmetic
  undefined,   // 1/0
  too_large,   // beyond BigInteger::kMostBits, or too much work
};

struct ExactValue {
  Exactness exactness = Exactness::irrational;
  Rational value{};
};

/// The exact value of an expression of rationals. Its cost is bounded.
ExactValue exact_value(const Expression& expression);

/// What one operation rounds off, relative to its result.
inline constexpr double kRounding = 4.0 * std::numeric_limits<double>::epsilon();

struct SampledValue {
  std::complex<double> value = 0.0;
  double error = 0.0;     // bound of |value − exact value|, to first order
  bool defined = false;   // false: a division by zero, an overflow, a set, …
  bool absorbed = false;  // digits were lost that could have mattered
};

/// Numbers that symbols stand for: draw `draw` of them. Real ones where a function is of real
/// numbers
/// (|x|, ⌊x⌋, n!), otherwise complex ones near the positive axis, where the laws of logarithms and
/// powers hold.
struct SamplePoint {
  std::uint64_t draw = 0;
  bool real = false;
};

SampledValue sampled_value(const Expression& expression, const SamplePoint& point);

/// Whether a function of real numbers occurs, so that points must be real.
bool needs_real_points(const Expression& expression);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/evaluate.ipp"
#endif
