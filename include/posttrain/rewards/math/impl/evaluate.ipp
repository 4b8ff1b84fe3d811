// SPDX-License-Identifier: Apache-2.0
// Definitions of evaluate.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/rewards/math/evaluate.hpp"

namespace posttrain::rewards {

namespace detail {

// ---- exact --------------------------------------------------------------------------------------

/// Rational arithmetic with a budget: a unit is the product of two words, and what gcds cost by it.
class ExactEvaluator {
 public:
  ExactValue evaluate(const Expression& x);

 private:
  static constexpr std::size_t kMostWork = 60000;

  static ExactValue failed(Exactness why) { return {why, Rational()}; }
  ExactValue checked(Rational value) const {
    if (!value.fits()) return failed(Exactness::too_large);
    return {Exactness::rational, std::move(value)};
  }
  bool pays(std::size_t words_a, std::size_t words_b) {
    work_ += words_a * words_b;
    return work_ <= kMostWork;
  }
  ExactValue power(const Expression& x);
  ExactValue root(const Rational& radicand, const Rational& degree);
  ExactValue function(const Expression& x);
  ExactValue factorial(const Rational& n);
  ExactValue binomial(const Rational& n, const Rational& k);

  std::size_t work_ = 0;
};

POSTTRAIN_INLINE ExactValue ExactEvaluator::evaluate(const Expression& x) {
  using Kind = ExpressionKind;
  switch (x.kind) {
    case Kind::number:
      return checked(x.value);
    case Kind::percent: {
      ExactValue part = evaluate(x.operands[0]);
      if (part.exactness != Exactness::rational) return part;
      return checked(part.value * Rational(1, 100));
    }
    case Kind::sum:
    case Kind::product: {
      Rational total = x.is(Kind::sum) ? 0 : 1;
      Exactness worst = Exactness::rational;
      for (const Expression& operand : x.operands) {
        const ExactValue part = evaluate(operand);
        // 1/0 beside a symbol is undefined, too; what is too large beside one is just irrational.
        if (part.exactness == Exactness::undefined) return part;
        if (part.exactness != Exactness::rational) {
          worst = worst == Exactness::irrational ? worst : part.exactness;
          continue;
        }
        if (worst != Exactness::rational) continue;
        if (!pays(total.words() + 1, part.value.words() + 1)) return failed(Exactness::too_large);
        total = x.is(Kind::sum) ? total + part.value : total * part.value;
        if (!total.fits()) worst = Exactness::too_large;
      }
      return worst == Exactness::rational ? checked(std::move(total)) : failed(worst);
    }
    case Kind::power:
      return power(x);
    case Kind::root: {
      const ExactValue radicand = evaluate(x.operands[0]), degree = evaluate(x.operands[1]);
      if (radicand.exactness != Exactness::rational) return radicand;
      if (degree.exactness != Exactness::rational) return degree;
      return root(radicand.value, degree.value);
    }
    case Kind::function:
      return function(x);
    default:
      return failed(Exactness::irrational);
  }
}

POSTTRAIN_INLINE ExactValue ExactEvaluator::power(const Expression& x) {
  const ExactValue base = evaluate(x.operands[0]), exponent = evaluate(x.operands[1]);
  if (base.exactness == Exactness::undefined || exponent.exactness == Exactness::undefined) {
    return failed(Exactness::undefined);
  }
  if (base.exactness != Exactness::rational) return base;
  if (exponent.exactness != Exactness::rational) return exponent;
  if (base.value.is_zero() && !(exponent.value > Rational(0))) {
    return failed(Exactness::undefined);  // 0^0 as well
  }
  if (!exponent.value.is_integer()) {
    const auto degree = exponent.value.denominator().small();
    if (!degree || *degree > 64) return failed(Exactness::irrational);
    if (base.value.is_negative()) return failed(Exactness::irrational);  // the principal value
    const ExactValue inner = root(base.value, Rational(*degree));
    if (inner.exactness != Exactness::rational) return inner;
    const auto n = exponent.value.numerator().small();
    return n ? checked(inner.value.power(*n)) : failed(Exactness::too_large);
  }
  const auto n = exponent.value.small();
  if (!n) {
    const bool unit = base.value == Rational(1) || base.value.is_zero();
    return unit ? base : failed(Exactness::too_large);
  }
  Rational result = base.value.power(*n);
  if (!pays(result.words(), result.words())) return failed(Exactness::too_large);
  return checked(std::move(result));
}

POSTTRAIN_INLINE ExactValue ExactEvaluator::root(const Rational& radicand, const Rational& degree) {
  const auto n = degree.small();
  if (degree.is_zero()) return failed(Exactness::undefined);
  if (!n || *n < 1 || *n > 64) return failed(Exactness::irrational);
  if (!pays(radicand.words(), radicand.words() * 16)) return failed(Exactness::too_large);
  const auto value = radicand.root(static_cast<unsigned>(*n));
  return value ? checked(*value) : failed(Exactness::irrational);
}

POSTTRAIN_INLINE ExactValue ExactEvaluator::factorial(const Rational& n) {
  const auto count = n.small();
  if (!count || *count < 0) return failed(Exactness::irrational);
  if (*count > 600) return failed(Exactness::too_large);
  BigInteger result = 1;
  for (std::int64_t i = 2; i <= *count && result.fits(); ++i) result = result * BigInteger(i);
  if (!pays(static_cast<std::size_t>(*count), result.words() + 1)) {
    return failed(Exactness::too_large);
  }
  return checked(std::move(result));
}

POSTTRAIN_INLINE ExactValue ExactEvaluator::binomial(const Rational& n, const Rational& k) {
  const auto above = n.small(), below = k.small();
  if (!above || !below || *above < 0) return failed(Exactness::irrational);
  if (*below < 0 || *below > *above) return {Exactness::rational, Rational(0)};
  const std::int64_t steps = std::min(*below, *above - *below);
  if (steps > 2000) return failed(Exactness::too_large);
  BigInteger result = 1;
  for (std::int64_t i = 1; i <= steps && result.fits(); ++i) {
    result = BigInteger::divide(result * BigInteger(*above - steps + i), BigInteger(i)).quotient;
  }
  if (!pays(static_cast<std::size_t>(steps), 2 * result.words() + 1)) {
    return failed(Exactness::too_large);
  }
  return checked(std::move(result));
}

POSTTRAIN_INLINE ExactValue ExactEvaluator::function(const Expression& x) {
  std::vector<Rational> arguments;
  Exactness worst = Exactness::rational;
  for (const Expression& operand : x.operands) {
    ExactValue part = evaluate(operand);
    if (part.exactness == Exactness::undefined) return part;
    if (part.exactness != Exactness::rational) worst = part.exactness;
    arguments.push_back(std::move(part.value));
  }
  if (worst != Exactness::rational) return failed(worst);
  if (arguments.empty()) return failed(Exactness::irrational);
  const Rational& first = arguments.front();
  if (x.name == "abs") return checked(first.abs());
  if (x.name == "floor") return checked(first.floor());
  if (x.name == "ceil") return checked(-(-first).floor());
  if (x.name == "factorial") return factorial(first);
  if (x.name == "binom" && arguments.size() == 2) return binomial(first, arguments[1]);
  if (x.name == "min" || x.name == "max") {
    const auto [least, most] = std::minmax_element(arguments.begin(), arguments.end());
    return checked(x.name == "min" ? *least : *most);
  }
  if (x.name == "gcd" || x.name == "lcm") {
    BigInteger result = first.numerator().abs();
    for (const Rational& each : arguments) {
      if (!each.is_integer()) return failed(Exactness::irrational);
      if (!pays(each.words() + result.words(), each.words() + result.words())) {
        return failed(Exactness::too_large);
      }
      const BigInteger common = BigInteger::gcd(result, each.numerator());
      if (x.name == "gcd") {
        result = common;
      } else {
        result = common.is_zero()
                     ? BigInteger()
                     : BigInteger::divide(result, common).quotient * each.numerator().abs();
      }
    }
    return checked(std::move(result));
  }
  return failed(Exactness::irrational);
}

// ---- sampled ------------------------------------------------------------------------------------

inline constexpr double kPi = 3.14159265358979323846;

using Complex = std::complex<double>;

/// A value with what rounding adds to the error of its arguments.
inline SampledValue rounded(Complex value, double error, bool absorbed) {
  SampledValue result;
  result.value = value;
  const double size = std::abs(value);
  result.error = error + kRounding * size;
  result.defined = std::isfinite(size) && std::isfinite(result.error);
  result.absorbed = absorbed;
  return result;
}

inline bool is_real(const SampledValue& x) { return std::abs(x.value.imag()) <= 4 * x.error; }

/// An integer within the error of the value.
inline std::optional<double> nearest_integer(const SampledValue& x) {
  const double whole = std::round(x.value.real());
  if (std::abs(x.value.real() - whole) > std::max(8 * x.error, 1e-12)) return {};
  return whole;
}

/// Keyed draws of a symbol's value.
inline SampledValue symbol_value(std::string_view name, const SamplePoint& point) {
  const auto block = Philox4x32::block(0x6d617468, stream_of(name), point.draw);
  const auto uniform = [](std::uint32_t word) { return word * 0x1.0p-32; };
  const double size = 0.7 + 0.8 * uniform(block[0]);
  SampledValue result;
  result.defined = true;
  if (point.real) {
    // Alternately of either sign, so that |x| is not x.
    result.value = (block[1] & 1U) != 0 ? size : -size;
  } else {
    result.value = std::polar(size, 0.5 * (uniform(block[1]) - 0.5));
  }
  return result;
}

inline SampledValue number_value(const Expression& x) {
  if (!x.value.fits()) return {};
  const double value = x.value.to_double();
  const auto wide = [](const BigInteger& part) {
    return part.bits() - part.trailing_zeros() > 53 && part.bits() > 53;
  };
  SampledValue result = rounded(value, 0.0, false);
  if (x.value.is_integer() && x.value.numerator().bits() <= 53) result.error = 0.0;
  if (value == 0.0 && !x.value.is_zero()) result.defined = false;  // below the least double
  result.absorbed = !x.decimal && (wide(x.value.numerator()) || wide(x.value.denominator()));
  return result;
}

inline SampledValue sum_value(const std::vector<SampledValue>& terms) {
  Complex total = 0.0;
  double error = 0.0, largest = 0.0;
  bool absorbed = false;
  for (const SampledValue& term : terms) {
    if (!term.defined) return {};
    total += term.value;
    error += term.error;
    largest = std::max(largest, std::abs(term.value));
    absorbed |= term.absorbed;
  }
  for (const SampledValue& term : terms) {
    const double size = std::abs(term.value);
    if (size > 8 * term.error && size < 1e-12 * largest) absorbed = true;
  }
  return rounded(total, error + kRounding * largest * static_cast<double>(terms.size()), absorbed);
}

inline SampledValue product_value(const SampledValue& a, const SampledValue& b) {
  if (!a.defined || !b.defined) return {};
  const Complex value(a.value.real() * b.value.real() - a.value.imag() * b.value.imag(),
                      a.value.real() * b.value.imag() + a.value.imag() * b.value.real());
  const double error =
      std::abs(a.value) * b.error + std::abs(b.value) * a.error + a.error * b.error;
  SampledValue result = rounded(value, error, a.absorbed || b.absorbed);
  // Below the range of doubles digits are lost: of a number that is not zero nothing is left.
  const bool nonzero = std::abs(a.value) > 8 * a.error && std::abs(b.value) > 8 * b.error;
  if (nonzero && std::abs(value) < 1e-290) result.defined = false;
  return result;
}

inline SampledValue power_value(const SampledValue& base, const SampledValue& exponent) {
  if (!base.defined || !exponent.defined) return {};
  const double size = std::abs(base.value);
  const bool absorbed = base.absorbed || exponent.absorbed;
  if (size <= 8 * base.error) {  // zero, as far as can be told
    const bool positive = exponent.value.real() > 8 * exponent.error && is_real(exponent);
    if (!positive || base.error > 0.0) return {};
    return rounded(0.0, 0.0, absorbed);
  }
  const auto whole = exponent.error == 0.0 && exponent.value.imag() == 0.0
                         ? nearest_integer(exponent)
                         : std::nullopt;
  Complex value;
  if (whole && std::abs(*whole) <= 64) {
    value = 1.0;
    for (int i = 0; i < static_cast<int>(std::abs(*whole)); ++i) value *= base.value;
    if (*whole < 0) value = 1.0 / value;
  } else {
    Complex log = std::log(base.value);
    // The cut of the logarithm is at the negative axis: there the real power is meant.
    if (is_real(base) && base.value.real() < 0) log = {std::log(size), kPi};
    value = std::exp(exponent.value * log);
  }
  const double result = std::abs(value);
  const double error =
      result * (std::abs(exponent.value) * (base.error / size + kRounding) +
                (std::abs(std::log(size)) + kPi) * (exponent.error + (whole ? 0.0 : kRounding)));
  SampledValue made = rounded(value, error, absorbed);
  if (result < 1e-290) made.defined = false;
  return made;
}

/// f(z) with the error that its derivative makes of the argument's.
inline SampledValue mapped(const SampledValue& x, Complex value, Complex derivative) {
  return rounded(value, std::abs(derivative) * (x.error + kRounding * std::abs(x.value)),
                 x.absorbed);
}

inline SampledValue root_value(const SampledValue& radicand, const SampledValue& degree) {
  if (!radicand.defined || !degree.defined) return {};
  const auto n = nearest_integer(degree);
  // Of negative numbers the real root, where there is one: the cube root of −8 is −2.
  if (n && std::fmod(*n, 2.0) != 0.0 && is_real(radicand) && radicand.value.real() < 0) {
    SampledValue positive = radicand;
    positive.value = -radicand.value.real();
    SampledValue root = power_value(positive, rounded(1.0 / degree.value, 0.0, false));
    root.value = -root.value;
    return root;
  }
  if (std::abs(degree.value) == 0.0) return {};
  if (n && *n == 2.0 && std::abs(radicand.value) > 8 * radicand.error) {
    Complex square = radicand.value;
    if (is_real(radicand) && square.real() < 0) square = {square.real(), 0.0};  // above the cut
    const Complex root = std::sqrt(square);
    return mapped(radicand, root, 0.5 / root);
  }
  return power_value(radicand, rounded(1.0 / degree.value, 0.0, degree.absorbed));
}

/// Functions of one complex number; undefined where it is not one of them.
inline SampledValue elementary_value(std::string_view name, const SampledValue& x) {
  const Complex z = x.value;
  const auto at_pole = [&](Complex w) { return std::abs(w) <= 8 * (x.error + kRounding); };
  if (name == "sin") return mapped(x, std::sin(z), std::cos(z));
  if (name == "cos") return mapped(x, std::cos(z), std::sin(z));
  if (name == "exp") return mapped(x, std::exp(z), std::exp(z));
  if (name == "tan" || name == "sec") {
    const Complex c = std::cos(z);
    if (at_pole(c)) return {};
    if (name == "sec") return mapped(x, 1.0 / c, std::sin(z) / (c * c));
    return mapped(x, std::sin(z) / c, 1.0 / (c * c));
  }
  if (name == "cot" || name == "csc") {
    const Complex s = std::sin(z);
    if (at_pole(s)) return {};
    if (name == "csc") return mapped(x, 1.0 / s, std::cos(z) / (s * s));
    return mapped(x, std::cos(z) / s, 1.0 / (s * s));
  }
  if (name == "sinh") return mapped(x, std::sinh(z), std::cosh(z));
  if (name == "cosh") return mapped(x, std::cosh(z), std::sinh(z));
  if (name == "tanh" || name == "coth") {
    const Complex s = std::sinh(z), c = std::cosh(z);
    if (at_pole(name == "tanh" ? c : s)) return {};
    return name == "tanh" ? mapped(x, s / c, 1.0 / (c * c)) : mapped(x, c / s, 1.0 / (s * s));
  }
  if (name == "log") {
    if (std::abs(z) <= 8 * x.error) return {};
    const Complex w = is_real(x) && z.real() < 0 ? Complex(std::log(-z.real()), kPi) : std::log(z);
    return mapped(x, w, 1.0 / z);
  }
  if (name == "arcsin" || name == "arccos") {
    const Complex w = name == "arcsin" ? std::asin(z) : std::acos(z);
    const Complex slope = 1.0 - z * z;
    // At ±1 the derivative is infinite: there the error is that of a root.
    if (std::abs(slope) < 1e-12) return rounded(w, std::sqrt(8 * (x.error + kRounding)), false);
    return mapped(x, w, 1.0 / std::sqrt(slope));
  }
  if (name == "arctan" || name == "arccot") {
    if (at_pole(1.0 + z * z)) return {};
    const Complex w = std::atan(z);
    return mapped(x, name == "arctan" ? w : 0.5 * kPi - w, 1.0 / (1.0 + z * z));
  }
  return {};
}

/// Functions of one real number.
inline SampledValue real_value(std::string_view name, const SampledValue& x) {
  if (name == "abs") return rounded(std::abs(x.value), x.error, x.absorbed);
  if (name == "Re") return rounded(x.value.real(), x.error, x.absorbed);
  if (name == "Im") return rounded(x.value.imag(), x.error, x.absorbed);
  if (name == "bar") return rounded(std::conj(x.value), x.error, x.absorbed);
  if (name == "arg") {
    if (std::abs(x.value) <= 8 * x.error) return {};
    return rounded(std::arg(x.value), x.error / std::abs(x.value) + kRounding, x.absorbed);
  }
  if (!is_real(x)) return {};
  const double real = x.value.real();
  if (name == "floor" || name == "ceil") {
    const auto whole = nearest_integer(x);
    return rounded(whole             ? *whole
                   : name == "floor" ? std::floor(real)
                                     : std::ceil(real),
                   0.0, x.absorbed || std::abs(real) > 1e15);
  }
  if (name == "sgn") {
    if (std::abs(real) <= 8 * x.error) return rounded(0.0, 0.0, x.absorbed);
    return rounded(real < 0 ? -1.0 : 1.0, 0.0, x.absorbed);
  }
  if (name == "factorial") {
    if (real > 170.0 || (real < 0.0 && nearest_integer(x))) return {};
    const double value = std::tgamma(real + 1.0);
    return rounded(value, std::abs(value) * (32 * kRounding + x.error * (1 + std::abs(real))),
                   x.absorbed);
  }
  return {};
}

inline constexpr auto kRealFunctions =
    std::to_array<std::string_view>({"abs", "Re", "Im", "bar", "arg", "floor", "ceil", "sgn",
                                     "factorial", "binom", "min", "max", "gcd", "lcm"});

/// A function that nobody knows (f, g, …): some polynomial of its arguments, keyed by its name, so
/// that f(x + 1) is f(1 + x), and neither f(x) nor g(x + 1).
inline SampledValue unknown_function(const Expression& x,
                                     const std::vector<SampledValue>& arguments) {
  const std::uint64_t stream = stream_of(x.name);
  SampledValue result = rounded(0.0, 0.0, false);
  std::uint64_t index = 0;
  for (const SampledValue& argument : arguments) {
    if (!argument.defined) return {};
    SampledValue power = rounded(1.0, 0.0, false);
    for (int degree = 0; degree < 5; ++degree) {
      const auto block = Philox4x32::block(0x66756e63, stream, index++);
      const double coefficient = 0.5 + block[0] * 0x1.0p-32;
      result = sum_value({result, product_value(power, rounded(coefficient, 0.0, false))});
      power = product_value(power, argument);
    }
  }
  result.absorbed = false;
  for (const SampledValue& argument : arguments) result.absorbed |= argument.absorbed;
  return result;
}

inline SampledValue function_value(const Expression& x, const SamplePoint& point) {
  std::vector<SampledValue> arguments;
  for (const Expression& operand : x.operands) {
    arguments.push_back(sampled_value(operand, point));
    if (!arguments.back().defined) return {};
  }
  if (arguments.empty()) return {};
  const SampledValue& first = arguments.front();
  if (x.name == "log" && arguments.size() == 2) {
    const SampledValue above = elementary_value("log", first);
    const SampledValue below = elementary_value("log", arguments[1]);
    return product_value(above, power_value(below, rounded(-1.0, 0.0, false)));
  }
  if (x.name == "min" || x.name == "max") {
    const SampledValue* best = &first;
    for (const SampledValue& each : arguments) {
      if (!is_real(each)) return {};
      if ((each.value.real() < best->value.real()) == (x.name == "min")) best = &each;
    }
    return *best;
  }
  if (x.name == "binom" && arguments.size() == 2) {
    SampledValue rest = sum_value({first, product_value(rounded(-1.0, 0.0, false), arguments[1])});
    const SampledValue below =
        product_value(real_value("factorial", arguments[1]), real_value("factorial", rest));
    SampledValue minus_one = rounded(-1.0, 0.0, false);
    minus_one.error = 0.0;
    return product_value(real_value("factorial", first), power_value(below, minus_one));
  }
  if (x.name == "gcd" || x.name == "lcm") return {};
  if (arguments.size() == 1) {
    if (std::find(kRealFunctions.begin(), kRealFunctions.end(), x.name) != kRealFunctions.end()) {
      return real_value(x.name, first);
    }
    static constexpr auto kElementary = std::to_array<std::string_view>(
        {"sin", "cos", "tan", "sec", "cot", "csc", "sinh", "cosh", "tanh", "coth", "log", "exp",
         "arcsin", "arccos", "arctan", "arccot"});
    if (std::find(kElementary.begin(), kElementary.end(), x.name) != kElementary.end()) {
      return elementary_value(x.name, first);
    }
  }
  return unknown_function(x, arguments);
}

}  // namespace detail

POSTTRAIN_INLINE ExactValue exact_value(const Expression& expression) {
  return detail::ExactEvaluator().evaluate(expression);
}

POSTTRAIN_INLINE SampledValue sampled_value(const Expression& expression,
                                            const SamplePoint& point) {
  using Kind = ExpressionKind;
  switch (expression.kind) {
    case Kind::number:
      return detail::number_value(expression);
    case Kind::symbol:
      return detail::symbol_value(expression.name, point);
    case Kind::constant: {
      if (expression.name == "infinity") return {};
      const std::complex<double> value = expression.name == "pi"  ? detail::kPi
                                         : expression.name == "e" ? 2.71828182845904523536
                                                                  : std::complex<double>(0.0, 1.0);
      return detail::rounded(value, 0.0, false);
    }
    case Kind::sum: {
      std::vector<SampledValue> terms;
      terms.reserve(expression.operands.size());
      for (const Expression& operand : expression.operands) {
        terms.push_back(sampled_value(operand, point));
      }
      return detail::sum_value(terms);
    }
    case Kind::product: {
      SampledValue result;
      result.value = 1.0;
      result.defined = true;
      for (const Expression& operand : expression.operands) {
        result = detail::product_value(result, sampled_value(operand, point));
        if (!result.defined) break;
      }
      return result;
    }
    case Kind::power:
      return detail::power_value(sampled_value(expression.operands[0], point),
                                 sampled_value(expression.operands[1], point));
    case Kind::root:
      return detail::root_value(sampled_value(expression.operands[0], point),
                                sampled_value(expression.operands[1], point));
    case Kind::percent:
      return detail::product_value(sampled_value(expression.operands[0], point),
                                   detail::rounded(0.01, 0.0, false));
    case Kind::function:
      return detail::function_value(expression, point);
    default:
      return {};
  }
}

POSTTRAIN_INLINE bool needs_real_points(const Expression& expression) {
  return contains(expression, [](const Expression& node) {
    return node.is(ExpressionKind::function) &&
           std::find(detail::kRealFunctions.begin(), detail::kRealFunctions.end(), node.name) !=
               detail::kRealFunctions.end();
  });
}

}  // namespace posttrain::rewards
