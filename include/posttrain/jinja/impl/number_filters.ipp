// SPDX-License-Identifier: Apache-2.0
// Definitions of number_filters.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/number_filters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/splitting.hpp"

namespace posttrain::text::jinja::filters {

/// Python's int(text, base): a sign, a prefix that fits the base, single underscores.
inline std::optional<std::int64_t> parse_integer(std::string_view given, int base) {
  spend_decoding(given.size());
  std::string text = strip(given, nullptr, true, true);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  const char mark = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int prefix = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (prefix != 0 && (base == prefix || base == 0)) {
    text.erase(0, text[2] == '_' ? 3 : 2);
    base = prefix;
  } else if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string::npos) {
      return {};
    }
    base = 10;
  }
  if (text.starts_with('_') || text.ends_with('_') || text.find("__") != std::string::npos) {
    return {};
  }
  std::erase(text, '_');
  if (negative) text.insert(0, 1, '-');
  if (!negative && text.starts_with('-')) return {};
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, whole, base);
  if (parsed.ec == std::errc::result_out_of_range) fail("int: an integer beyond 64 bits");
  if (parsed.ec != std::errc{} || parsed.ptr != end) return {};
  return whole;
}

/// Python's float(text).
inline std::optional<double> parse_float(std::string_view given) {
  std::string text = jinja::lower(strip(given, nullptr, true, true));
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const std::string_view body = std::string_view(text).substr(sign);
  if (body == "inf" || body == "infinity") {
    return text[0] == '-' ? -std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::infinity();
  }
  if (body == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (body.empty() || body.find_first_not_of("0123456789.e+-_") != std::string_view::npos)
    return {};
  for (std::size_t i = 0; i < body.size(); ++i) {  // underscores stand between digits
    const auto digit = [&](std::size_t at) { return body[at] >= '0' && body[at] <= '9'; };
    if (body[i] == '_' && (i == 0 || i + 1 == body.size() || !digit(i - 1) || !digit(i + 1))) {
      return {};
    }
  }
  std::erase(text, '_');
  char* stop = nullptr;
  const double number = std::strtod(text.c_str(), &stop);
  if (*stop != '\0') return {};
  return number;
}

POSTTRAIN_INLINE Value to_integer(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* preset = arguments.get(0, "default");
  const Value otherwise = preset != nullptr ? *preset : Value(0);
  if (input.is_undefined()) undefined_error(input);
  if (input.is_whole()) return input.integer();
  double number = 0;
  if (input.is_float()) {
    number = input.number();
  } else if (input.is_string()) {
    const auto base = integer_argument(arguments, 1, "base", 10);
    const bool possible = base == 0 || (base >= 2 && base <= 36);
    if (possible) {
      if (const auto whole = parse_integer(input.text(), static_cast<int>(base))) return *whole;
    }
    const auto real = parse_float(input.text());
    if (!real) return otherwise;
    number = *real;
  } else {
    return otherwise;
  }
  if (!std::isfinite(number)) return otherwise;
  if (std::abs(number) >= 9.2e18) fail("int: an integer beyond 64 bits");
  return static_cast<std::int64_t>(number);
}

POSTTRAIN_INLINE Value to_float(Runtime&, const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) undefined_error(input);
  if (input.is_number()) return input.number();
  if (input.is_string()) {
    if (const auto number = parse_float(input.text())) return *number;
  }
  const Value* preset = arguments.get(0, "default");
  return preset != nullptr ? *preset : Value(0.0);
}

POSTTRAIN_INLINE Value round(Runtime&, const Value& input, const Arguments& arguments) {
  const std::int64_t precision =
      std::clamp<std::int64_t>(integer_argument(arguments, 0, "precision", 0), -300, 300);
  const Value* given = arguments.get(1, "method");
  const std::string method = given != nullptr ? print(*given) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    fail("round: expected the method common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double value = input.number();
  if (method == "ceil") return std::ceil(value * scale) / scale;
  if (method == "floor") return std::floor(value * scale) / scale;
  if (input.is_whole() && precision >= 0) return input.integer();
  spend(16);             // for hundreds of digits
  if (precision >= 0) {  // correctly rounded decimal digits, ties to even
    std::string digits(700, '\0');
    std::snprintf(digits.data(), digits.size(), "%.*f", static_cast<int>(precision), value);
    return std::strtod(digits.c_str(), nullptr);
  }
  const double rounded = std::nearbyint(value * scale) / scale;
  if (input.is_whole()) return static_cast<std::int64_t>(rounded);
  return rounded;
}

POSTTRAIN_INLINE Value absolute(Runtime&, const Value& input, const Arguments&) {
  if (input.is_float()) return std::abs(input.number());
  return input.integer() < 0 ? integer_operation("-", 0, input.integer()) : Value(input.integer());
}

}  // namespace posttrain::text::jinja::filters
