// SPDX-License-Identifier: Apache-2.0
// Python's "…" % values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// One conversion: %[flags][width][.precision]kind.
struct Conversion {
  std::string flags;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char kind = 's';

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }

  /// Pads `body`; zeros go behind a sign and a 0x.
  std::string padded(std::string body, bool number) const {
    const auto missing = width - static_cast<std::int64_t>(count_characters(body));
    if (missing <= 0) return body;
    const auto count = static_cast<std::size_t>(missing);
    if (has('-')) return body + std::string(count, ' ');
    if (!number || !has('0')) return std::string(count, ' ') + body;
    std::size_t at = body[0] == '-' || body[0] == '+' || body[0] == ' ' ? 1 : 0;
    if (has('#') && body.size() > at + 1 && std::string_view("xXo").find(body[at + 1]) < 3) at += 2;
    return body.insert(at, count, '0');
  }

  std::string number(const Value& value) const {
    const std::string sign = has('+') ? "+" : has(' ') ? " " : "";
    if (kind == 'd' || kind == 'i' || kind == 'u' || kind == 'x' || kind == 'X' || kind == 'o') {
      const bool decimal = kind == 'd' || kind == 'i' || kind == 'u';
      if (!value.is_number() || (!decimal && value.is_float())) {
        raise("%{} format: a number is required, not {}", kind, value.type_name());
      }
      if (value.is_float() && !(std::abs(value.number()) < 9.2e18)) {
        fail("cannot convert a float beyond 64 bits to an integer");
      }
      const std::int64_t whole =
          value.is_float() ? static_cast<std::int64_t>(value.number()) : value.integer();
      const auto size =
          whole < 0 ? ~static_cast<std::uint64_t>(whole) + 1 : static_cast<std::uint64_t>(whole);
      std::string digits = kind == 'x'   ? fmt::format("{:x}", size)
                           : kind == 'X' ? fmt::format("{:X}", size)
                           : kind == 'o' ? fmt::format("{:o}", size)
                                         : fmt::format("{}", size);
      if (precision > static_cast<std::int64_t>(digits.size())) {
        digits.insert(0, static_cast<std::size_t>(precision) - digits.size(), '0');
      }
      if (has('#') && !decimal) digits = std::string("0") + kind + digits;
      return padded((whole < 0 ? "-" : sign) + digits, true);
    }
    if (!value.is_number()) raise("must be a real number, not {}", value.type_name());
    const double real = value.number();
    std::string spec = std::string(has('#') ? "%#" : "%") + ".*" + kind;
    std::string digits(512, '\0');
    const int size = std::snprintf(digits.data(), digits.size(), spec.c_str(),
                                   static_cast<int>(precision < 0 ? 6 : precision), real);
    digits.resize(static_cast<std::size_t>(std::clamp(size, 0, 511)));
    return padded(digits[0] == '-' ? digits : sign + digits, std::isfinite(real));
  }

  std::string apply(const Value& value) const {
    std::string text;
    switch (kind) {
      case 's':
        text = print(value);
        break;
      case 'r':
        text = repr(value);
        break;
      case 'c':
        if (value.is_whole()) {
          append_utf8(
              text, static_cast<char32_t>(std::clamp<std::int64_t>(value.integer(), 0, 0x10FFFF)));
        } else if (value.is_string() && count_characters(value.text()) == 1) {
          text = value.text();
        } else {
          fail("%c requires an integer or a character");
        }
        return padded(std::move(text), false);
      default:
        if (std::string_view("diuxXoeEfFgG").find(kind) == std::string_view::npos) {
          raise("unsupported format character '{}'", kind);
        }
        return number(value);
    }
    if (precision >= 0) {
      text.resize(first_characters(text, precision).size());
    }
    return padded(std::move(text), false);
  }
};

/// `values`: a tuple's items in order, a dict's by (name), or one value.
inline std::string printf_format(std::string_view format, const Value& values) {
  const bool tuple = values.is_tuple();
  std::size_t used = 0;
  std::size_t i = 0;
  const auto peek = [&] { return i < format.size() ? format[i] : '\0'; };
  const auto next_value = [&]() -> Value {
    const std::size_t count = tuple ? values.list().size() : 1;
    if (used >= count) fail("not enough arguments for format string");
    return tuple ? values.list()[used++] : (++used, values);
  };
  const auto number = [&](std::int64_t preset) {
    if (peek() == '*') {
      ++i;
      return std::clamp<std::int64_t>(next_value().integer(), -10000, 10000);
    }
    std::int64_t out = peek() >= '0' && peek() <= '9' ? 0 : preset;
    while (peek() >= '0' && peek() <= '9') {
      out = std::min<std::int64_t>(out * 10 + (format[i++] - '0'), 10000);
    }
    return out;
  };
  std::string out;
  spend_decoding(format.size());
  for (; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    ++i;
    if (peek() == '%') {
      out += '%';
      continue;
    }
    Conversion conversion;
    std::optional<Value> item;
    if (peek() == '(') {
      const std::size_t close = format.find(')', i);
      if (close == std::string_view::npos || !values.is_dict()) fail("format requires a mapping");
      const auto name = format.substr(i + 1, close - i - 1);
      const Value* found = values.dict().find(name);
      if (found == nullptr) raise("the format asks for the missing key '{}'", name);
      item = *found;
      i = close + 1;
    }
    while (peek() != '\0' && std::string_view("-+ 0#").find(peek()) != std::string_view::npos) {
      conversion.flags += format[i++];
    }
    conversion.width = number(0);
    if (conversion.width < 0) {
      conversion.flags += '-';
      conversion.width = -conversion.width;
    }
    if (peek() == '.') {
      ++i;
      conversion.precision = std::clamp<std::int64_t>(number(0), 0, 300);
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++i;
    if (i >= format.size()) fail("incomplete format");
    conversion.kind = format[i];
    spend(16);  // of a float: hundreds of digits
    append(out, conversion.apply(item ? *item : next_value()));
  }
  const bool subscripted = values.is_dict() || values.is_undefined() || values.is_indexable();
  if (tuple ? used < values.list().size() : used == 0 && !subscripted) {
    fail("not all arguments converted during string formatting");
  }
  return out;
}

}  // namespace posttrain::text::jinja
