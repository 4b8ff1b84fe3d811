// SPDX-License-Identifier: Apache-2.0
// Definitions of expression.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/expression.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE Expression make_number(Rational value) {
  Expression number;
  number.value = std::move(value);
  return number;
}

POSTTRAIN_INLINE Expression make(ExpressionKind kind, std::vector<Expression> operands,
                                 std::string name) {
  Expression made;
  made.kind = kind;
  made.name = std::move(name);
  made.operands = std::move(operands);
  return made;
}

POSTTRAIN_INLINE Expression make_name(ExpressionKind kind, std::string name) {
  return make(kind, {}, std::move(name));
}

POSTTRAIN_INLINE Expression negated(Expression x) {
  if (x.is(ExpressionKind::number)) {
    x.value = -x.value;
    return x;
  }
  if (x.is(ExpressionKind::plus_minus)) {
    x.name = x.name == "+" ? "-" : "+";
    return x;
  }
  std::vector<Expression> factors;
  factors.push_back(make_number(-1));
  if (x.is(ExpressionKind::product)) {
    for (Expression& factor : x.operands) factors.push_back(std::move(factor));
  } else {
    factors.push_back(std::move(x));
  }
  return make(ExpressionKind::product, std::move(factors));
}

POSTTRAIN_INLINE Expression inverted(Expression x) {
  if (x.is(ExpressionKind::number) && !x.value.is_zero() && !x.decimal && x.base == 10) {
    x.value = x.value.inverse();
    return x;
  }
  std::vector<Expression> operands;
  operands.push_back(std::move(x));
  operands.push_back(make_number(-1));
  return make(ExpressionKind::power, std::move(operands));
}

namespace detail {

/// The name of a kind in canonical texts; empty where the kind's name says enough.
inline std::string_view canonical_head(ExpressionKind kind) {
  switch (kind) {
    case ExpressionKind::sum:
      return "+";
    case ExpressionKind::product:
      return "*";
    case ExpressionKind::power:
      return "^";
    case ExpressionKind::root:
      return "root";
    case ExpressionKind::percent:
      return "%";
    case ExpressionKind::plus_minus:
      return "±";
    case ExpressionKind::list:
    case ExpressionKind::set:
      return "set";
    case ExpressionKind::set_union:
      return "union";
    case ExpressionKind::intersection:
      return "intersection";
    case ExpressionKind::difference:
      return "difference";
    case ExpressionKind::matrix:
      return "matrix";
    default:
      return "";
  }
}

inline bool is_unordered(ExpressionKind kind) {
  return kind == ExpressionKind::sum || kind == ExpressionKind::product ||
         kind == ExpressionKind::list || kind == ExpressionKind::set ||
         kind == ExpressionKind::set_union || kind == ExpressionKind::intersection;
}

}  // namespace detail

POSTTRAIN_INLINE bool is_scalar(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::number:
    case ExpressionKind::symbol:
    case ExpressionKind::constant:
    case ExpressionKind::sum:
    case ExpressionKind::product:
    case ExpressionKind::power:
    case ExpressionKind::root:
    case ExpressionKind::function:
    case ExpressionKind::percent:
      return true;
    default:
      return false;
  }
}

POSTTRAIN_INLINE std::string canonical(const Expression& expression) {
  using Kind = ExpressionKind;
  switch (expression.kind) {
    case Kind::number:
      return expression.base == 10
                 ? expression.value.text()
                 : expression.value.text() + "_" + std::to_string(expression.base);
    case Kind::symbol:
    case Kind::numbers:
      return expression.name;
    case Kind::constant:
      return "#" + expression.name;
    case Kind::words:
      return "\"" + expression.name + "\"";
    default:
      break;
  }
  std::vector<std::string> parts;
  parts.reserve(expression.operands.size());
  for (const Expression& operand : expression.operands) parts.push_back(canonical(operand));
  if (detail::is_unordered(expression.kind)) std::sort(parts.begin(), parts.end());
  std::string text(detail::canonical_head(expression.kind));
  if (!expression.is(Kind::list)) text += expression.name;
  if (expression.columns > 0) text += std::to_string(expression.columns);
  text += '(';
  for (const std::string& part : parts) {
    if (text.back() != '(') text += ',';
    text += part;
  }
  return text + ')';
}

}  // namespace posttrain::rewards
