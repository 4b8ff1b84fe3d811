// SPDX-License-Identifier: Apache-2.0
// Evaluating expressions (part of Evaluator).
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/operators.hpp"

namespace posttrain::text::jinja {

inline bool is_constant(const Expression& e, bool with_filters) {
  using Kind = Expression::Kind;
  const auto all = [&](const auto& parts) {
    return std::ranges::all_of(
        parts, [&](const auto& part) { return !part || is_constant(*part, with_filters); });
  };
  if (e.kind == Kind::kName || e.kind == Kind::kCall) return false;
  if (!with_filters && (e.kind == Kind::kFilter || e.kind == Kind::kTest)) return false;
  const CallArguments& a = e.arguments;
  return a.named.empty() && !a.star && !a.star_star && all(e.children) && all(a.positional);
}

inline Arguments Evaluator::evaluate(const CallArguments& source) {
  Arguments arguments;
  for (const auto& argument : source.positional)
    arguments.positional.push_back(evaluate(*argument));
  if (source.star) {
    for (const Value& value : iterate(evaluate(*source.star))) {
      arguments.positional.push_back(value);
    }
  }
  const auto add = [&](const std::string& name, Value value) {
    for (const auto& [known, other] : arguments.named) {
      if (known == name) raise("got multiple values for keyword argument '{}'", name);
    }
    arguments.named.emplace_back(name, std::move(value));
  };
  for (const auto& [name, argument] : source.named) add(name, evaluate(*argument));
  if (source.star_star) {
    const Value dict = evaluate(*source.star_star);
    if (!dict.is_dict()) raise("expected a mapping after **, got {}", dict.type_name());
    for (const auto& [key, value] : dict.dict().items) {
      if (!key.is_string()) fail("keywords must be strings");
      add(key.text(), value);
    }
  }
  return arguments;
}

inline Value Evaluator::filtered(const Expression& filter, Value input) {
  if (filter.children[0]) input = filtered(*filter.children[0], std::move(input));
  const Arguments arguments = evaluate(filter.arguments);
  place_ = filter.place;
  return apply_filter(*this, filter.name, input, arguments);
}

inline Value Evaluator::evaluate(const Expression& e) {
  using Kind = Expression::Kind;
  const Level level;
  const auto child = [&](std::size_t i) { return evaluate(*e.children[i]); };
  switch (e.kind) {
    case Kind::kConstant:
      return e.constant;
    case Kind::kName:
      return look_up(e.name);
    case Kind::kList:
    case Kind::kTuple: {
      List items;
      for (std::size_t i = 0; i < e.children.size(); ++i) items.push_back(child(i));
      return Value(std::move(items), e.kind == Kind::kTuple ? Sequence::kTuple : Sequence::kList);
    }
    case Kind::kDict: {
      Dict dict;
      for (std::size_t i = 0; i + 1 < e.children.size(); i += 2) {
        Value key = child(i);
        check_key(key);
        dict.set(std::move(key), child(i + 1));
      }
      return dict;
    }
    case Kind::kAttribute: {
      const Value object = child(0);
      place_ = e.place;
      return attribute(object, e.name);
    }
    case Kind::kIndex: {
      const Value object = child(0);
      const Value key = child(1);
      place_ = e.place;
      return item(object, key);
    }
    case Kind::kSlice: {
      const Value object = child(0);
      const auto bound = [&](std::size_t i) { return e.children[i] ? child(i) : Value(nullptr); };
      const Value start = bound(1);
      const Value stop = bound(2);
      const Value step = bound(3);
      place_ = e.place;
      return slice(object, start, stop, step);
    }
    case Kind::kCall: {
      const Value callee = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      return call(callee, arguments);
    }
    case Kind::kFilter: {
      const Value input = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      if (autoescape_ != escaping_.on && !escaping_.asked && is_constant(e)) {
        const bool moment = std::exchange(autoescape_, escaping_.on);
        Value value = apply_filter(*this, e.name, input, arguments);
        autoescape_ = moment;
        return value;
      }
      return apply_filter(*this, e.name, input, arguments);
    }
    case Kind::kTest: {
      const Value input = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      return apply_test(e.name, input, arguments);
    }
    case Kind::kConditional:
      if (child(0).truth()) return child(1);
      if (e.children[2]) return child(2);
      return Value::undefined("the inline if-expression has no else and was false");
    default:
      return evaluate_operator(e);
  }
}

inline Value Evaluator::evaluate_operator(const Expression& e) {
  using Kind = Expression::Kind;
  switch (e.kind) {
    case Kind::kNegate:
    case Kind::kPositive: {
      const Value value = evaluate(*e.children[0]);
      place_ = e.place;
      if (value.is_undefined()) undefined_error(value);
      if (!value.is_number()) raise("bad operand type for unary -: '{}'", value.type_name());
      const bool negate = e.kind == Kind::kNegate;
      if (value.is_float()) return negate ? -value.number() : value.number();
      return integer_operation(negate ? "-" : "+", 0, value.integer());
    }
    case Kind::kNot:
      return !evaluate(*e.children[0]).truth();
    case Kind::kAnd: {
      Value left = evaluate(*e.children[0]);
      return left.truth() ? evaluate(*e.children[1]) : left;
    }
    case Kind::kOr: {
      Value left = evaluate(*e.children[0]);
      return left.truth() ? left : evaluate(*e.children[1]);
    }
    case Kind::kBinary: {
      if (e.name == "~" && escaping_.on && !escaping_.asked && !is_constant(e)) {
        return concatenate(e);
      }
      const Value left = evaluate(*e.children[0]);
      const Value right = evaluate(*e.children[1]);
      place_ = e.place;
      return binary_operation(e.name, left, right);
    }
    default:
      return compare(e);
  }
}

/// `a ~ b ~ c` under autoescape: if one part is markup, all others are escaped.
inline Value Evaluator::concatenate(const Expression& e) {
  const Expression& left = *e.children[0];
  const bool chain = left.kind == Expression::Kind::kBinary && left.name == "~";
  const Value before = text_of(chain ? concatenate(left) : evaluate(left));
  const Value behind = text_of(evaluate(*e.children[1]));
  place_ = e.place;
  return add_texts(before, behind);
}

inline Value Evaluator::compare(const Expression& e) {
  Value left = evaluate(*e.children[0]);
  for (std::size_t i = 0; i < e.operators.size(); ++i) {
    Value right = evaluate(*e.children[i + 1]);
    place_ = e.place;
    const std::string& op = e.operators[i];
    const bool holds = op == "=="       ? left == right
                       : op == "!="     ? !(left == right)
                       : op == "in"     ? contains(right, left)
                       : op == "not in" ? !contains(right, left)
                       : op == "<"      ? order(left, right) < 0
                       : op == "<="     ? order(left, right) <= 0
                       : op == ">"      ? order(left, right) > 0
                                        : order(left, right) >= 0;
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

}  // namespace posttrain::text::jinja
