// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic on template values. Integers have 64 bits; overflow is an error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/printf_format.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

inline std::string escape_markup(std::string_view text) {
  spend_decoding(text.size());
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

[[noreturn]] inline void operand_error(std::string_view op, const Value& a, const Value& b) {
  if (a.is_undefined()) undefined_error(a);
  if (b.is_undefined()) undefined_error(b);
  raise("unsupported operand types for {}: '{}' and '{}'", op, a.type_name(), b.type_name());
}

inline Value repeat(const Value& value, std::int64_t times) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_string()) {
    if (n > 0 && value.text().size() > kLargestText / n) check_text_size(kLargestText + 1);
    std::string out;
    out.reserve(n * value.text().size());
    for (std::size_t i = 0; i < n && !value.text().empty(); ++i) out += value.text();
    return make_text(std::move(out), value.is_markup());
  }
  if (n > 0 && value.list().size() > kLargestList / n) check_list_size(kLargestList + 1);
  List out;
  out.reserve(n * value.list().size());
  for (std::size_t i = 0; i < n && !value.list().empty(); ++i) {
    out.insert(out.end(), value.list().begin(), value.list().end());
  }
  return Value(std::move(out), value.sequenced().kind);
}

inline Value integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      fail("integer overflow");
    }
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail("integer overflow");
  }
  return result;
}

inline Value float_operation(std::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") {
    if (a == 0 && b < 0) fail("0.0 cannot be raised to a negative power");
    if (a < 0 && std::isfinite(b) && b != std::floor(b)) fail("complex numbers are not supported");
    return std::pow(a, b);
  }
  if (b == 0) fail("division by zero");
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

inline Value integer_operation(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &out);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &out);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &out);
  } else if (op == "**") {
    if (b < 0) return float_operation(op, static_cast<double>(a), static_cast<double>(b));
    return integer_power(a, b);
  } else {
    if (b == 0) fail("division by zero");
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    if (b == -1) return integer_operation(op == "//" ? "-" : "*", 0, a);
    const std::int64_t quotient = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
    return op == "//" ? quotient : a - quotient * b;
  }
  if (overflow) fail("integer overflow");
  return out;
}

/// str(), but text that needs no escaping stays so.
inline Value text_of(const Value& value) { return value.is_string() ? value : Value(print(value)); }

/// markupsafe.escape().
inline std::string escaped(const Value& value) {
  return value.is_markup() ? value.text() : escape_markup(print(value));
}

/// The texts in a value, its items or entries escaped: what is put into markup.
inline Value escaped_parts(const Value& value) {
  const auto escape = [](const Value& v) { return v.is_string() ? Value(escaped(v), true) : v; };
  if (value.is_dict()) {
    Dict dict;
    for (const auto& [key, item] : value.dict().items) dict.items.emplace_back(key, escape(item));
    return dict;
  }
  if (!value.is_tuple() && !value.is_sequence(Sequence::kList)) return escape(value);
  List items;
  for (const Value& item : value.list()) items.push_back(escape(item));
  return Value(std::move(items), value.sequenced().kind);
}

inline Value add_texts(const Value& a, const Value& b) {
  if (a.is_markup() == b.is_markup()) return make_text(a.text() + b.text(), a.is_markup());
  return make_text((a.is_markup() ? a.text() : escape_markup(a.text())) +
                       (b.is_markup() ? b.text() : escape_markup(b.text())),
                   true);
}

inline Value binary_operation(std::string_view op, const Value& a, const Value& b) {
  if (op == "~") return make_text(print(a) + print(b));
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return float_operation(op, a.number(), b.number());
    return integer_operation(op, a.integer(), b.integer());
  }
  if (op == "+") {
    if (a.is_string() && b.is_string()) return add_texts(a, b);
    const bool lists = a.is_sequence(Sequence::kList) && b.is_sequence(Sequence::kList);
    if (lists || (a.is_tuple() && b.is_tuple())) {
      check_list(a.list().size() + b.list().size());
      List joined = a.list();
      joined.insert(joined.end(), b.list().begin(), b.list().end());
      return Value(std::move(joined), lists ? Sequence::kList : Sequence::kTuple);
    }
  }
  if (op == "*") {
    const auto repeatable = [](const Value& v) {
      return v.is_string() || v.is_tuple() || v.is_sequence(Sequence::kList);
    };
    if (repeatable(a) && b.is_whole()) return repeat(a, b.integer());
    if (a.is_whole() && repeatable(b)) return repeat(b, a.integer());
  }
  if (op == "%" && a.is_string()) {
    return make_text(printf_format(a.text(), a.is_markup() ? escaped_parts(b) : b), a.is_markup());
  }
  operand_error(op, a, b);
}

}  // namespace posttrain::text::jinja
