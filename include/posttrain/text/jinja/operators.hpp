// SPDX-License-Identifier: Apache-2.0
// Python's operators on template values: arithmetic, order, membership, iteration, slices.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/jinja/print.hpp"
#include "posttrain/text/jinja/value.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text::jinja {

inline constexpr std::size_t kLargestText = std::size_t{64} << 20U;  // bytes
inline constexpr std::size_t kLargestList = 1000000;

[[noreturn]] inline void undefined_error(const Value& value) { throw Error(value.hint()); }

inline void check_text(std::size_t size) {
  if (size > kLargestText) raise("a text of more than {} bytes", kLargestText);
}
inline void check_list(std::size_t size) {
  if (size > kLargestList) raise("a list of more than {} items", kLargestList);
}

inline Value make_text(std::string text, bool markup = false) {
  check_text(text.size());
  return Value(std::move(text), markup);
}

/// The characters of a string.
inline std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = decode_utf8(text, i).size;
    out.push_back(text.substr(i, size));
    i += size;
  }
  return out;
}

inline std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

inline std::string escape_markup(std::string_view text) {
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

/// What a for loop sees.
inline List iterate(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_sequence()) return value.list();
  if (value.is_string()) {
    List out;
    for (const auto c : characters(value.text())) out.emplace_back(c);
    return out;
  }
  if (value.is_dict()) {
    List out;
    for (const auto& [key, item] : value.dict().items) out.push_back(key);
    return out;
  }
  raise("'{}' object is not iterable", value.type_name());
}

inline std::size_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) return count_characters(value.text());
  if (value.is_sequence() && !value.is_sequence(Sequence::kGenerator)) return value.list().size();
  if (value.is_dict()) return value.dict().items.size();
  raise("object of type '{}' has no len()", value.type_name());
}

/// −1, 0 or 1; values that Python does not order are an error.
inline int order(const Value& a, const Value& b) {
  if (a.is_undefined()) undefined_error(a);
  if (b.is_undefined()) undefined_error(b);
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) {
      return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
    }
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    const int c = a.text().compare(b.text());
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  if (a.is_sequence() && b.is_sequence()) {
    const std::size_t common = std::min(a.list().size(), b.list().size());
    for (std::size_t i = 0; i < common; ++i) {
      if (!(a.list()[i] == b.list()[i])) return order(a.list()[i], b.list()[i]);
    }
    return a.list().size() < b.list().size() ? -1 : a.list().size() > b.list().size() ? 1 : 0;
  }
  raise("'<' not supported between '{}' and '{}'", a.type_name(), b.type_name());
}

inline bool contains(const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      raise("'in <string>' requires string as left operand, not {}", item.type_name());
    }
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  const List items = iterate(container);
  return std::find(items.begin(), items.end(), item) != items.end();
}

[[noreturn]] inline void operand_error(std::string_view op, const Value& a, const Value& b) {
  if (a.is_undefined()) undefined_error(a);
  if (b.is_undefined()) undefined_error(b);
  raise("unsupported operand types for {}: '{}' and '{}'", op, a.type_name(), b.type_name());
}

inline Value repeat(const Value& value, std::int64_t times) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_string()) {
    if (n > 0 && value.text().size() > kLargestText / n) check_text(kLargestText + 1);
    std::string out;
    for (std::size_t i = 0; i < n && !value.text().empty(); ++i) out += value.text();
    return make_text(std::move(out), value.is_markup());
  }
  if (n > 0 && value.list().size() > kLargestList / n) check_list(kLargestList + 1);
  List out;
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
    if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
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

inline Value float_operation(std::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) fail("division by zero");
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// Python's "…" % values: %s, %r, %d, %i, %f, %x, %c-free; `values` in order or by (name).
inline std::string printf_format(std::string_view format, const Value& values) {
  const bool tuple = values.is_sequence(Sequence::kTuple);
  std::size_t used = 0;
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    if (++i >= format.size()) fail("incomplete format");
    if (format[i] == '%') {
      out += '%';
      continue;
    }
    Value item;
    if (format[i] == '(') {
      const std::size_t close = format.find(')', i);
      if (close == std::string_view::npos || !values.is_dict()) fail("format requires a mapping");
      const Value* found = values.dict().find(format.substr(i + 1, close - i - 1));
      if (found == nullptr) fail("a key of the format is missing");
      item = *found;
      i = close + 1;
    } else {
      const std::size_t count = tuple ? values.list().size() : 1;
      if (used >= count) fail("not enough arguments for format string");
      item = tuple ? values.list()[used] : values;
      ++used;
    }
    const std::size_t start = i;
    while (i < format.size() &&
           std::string_view("-+ 0#.123456789").find(format[i]) != std::string_view::npos) {
      ++i;
    }
    const std::string flags(format.substr(start, i - start));
    if (flags.size() > 6) fail("unsupported format width");
    const char kind = i < format.size() ? format[i] : '\0';
    char buffer[512] = {};
    if (kind == 's' || kind == 'r') {
      const std::string text = kind == 's' ? print(item) : repr(item);
      const int width = std::atoi(flags.c_str());
      const std::size_t size = count_characters(text);
      const std::size_t wanted = static_cast<std::size_t>(std::min(std::abs(width), 1000));
      const std::string pad(wanted > size ? wanted - size : 0, ' ');
      out += width < 0 ? text + pad : pad + text;
    } else if (kind == 'd' || kind == 'i' || kind == 'x') {
      const std::int64_t number =
          item.is_float() ? static_cast<std::int64_t>(item.number()) : item.integer();
      const std::string spec = "%" + flags + (kind == 'x' ? "llx" : "lld");
      if (std::atoi(flags.c_str()) > 400) fail("unsupported format width");
      std::snprintf(buffer, sizeof buffer, spec.c_str(), static_cast<long long>(number));
      out += buffer;
    } else if (kind == 'f' || kind == 'g' || kind == 'e') {
      const std::string spec = "%" + flags + kind;
      std::snprintf(buffer, sizeof buffer, spec.c_str(), item.number());
      out += buffer;
    } else {
      fail("unsupported format character");
    }
  }
  if (tuple && used < values.list().size()) fail("not all arguments converted");
  return out;
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
    if (a.is_sequence() && b.is_sequence() && a.sequenced().kind == b.sequenced().kind &&
        (a.is_sequence(Sequence::kList) || a.is_sequence(Sequence::kTuple))) {
      List joined = a.list();
      check_list(joined.size() + b.list().size());
      joined.insert(joined.end(), b.list().begin(), b.list().end());
      return Value(std::move(joined), a.sequenced().kind);
    }
  }
  if (op == "*") {
    const auto repeatable = [](const Value& v) { return v.is_string() || v.is_sequence(); };
    const auto whole = [](const Value& v) { return v.is_integer() || v.is_bool(); };
    if (repeatable(a) && whole(b)) return repeat(a, b.integer());
    if (whole(a) && repeatable(b)) return repeat(b, a.integer());
  }
  if (op == "%" && a.is_string()) return make_text(printf_format(a.text(), b), a.is_markup());
  operand_error(op, a, b);
}

/// value[start:stop:step] as Python counts.
inline Value slice(const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) undefined_error(value);
  if (!value.is_string() && !value.is_sequence()) {
    return Value::undefined(fmt::format("'{}' object cannot be sliced", value.type_name()));
  }
  const auto items = value.is_string() ? characters(value.text()) : std::vector<std::string_view>();
  const auto size =
      static_cast<std::int64_t>(value.is_string() ? items.size() : value.list().size());
  const std::int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) fail("slice step cannot be zero");
  const std::int64_t low = by > 0 ? 0 : -1;
  const std::int64_t high = by > 0 ? size : size - 1;
  const auto place = [&](const Value& v, std::int64_t preset) {
    if (v.is_none()) return preset;
    std::int64_t i = v.integer();
    if (i < 0) i = std::max(i, -size - 1) + size;
    return std::clamp(i, low, high);
  };
  const std::int64_t from = place(start, by > 0 ? low : high);
  const std::int64_t to = place(stop, by > 0 ? high : low);
  std::string text;
  List list;
  const std::int64_t stride = std::clamp<std::int64_t>(by, -size - 1, size + 1);
  for (std::int64_t i = from; by > 0 ? i < to : i > to; i += stride) {
    if (value.is_string()) {
      text += items[static_cast<std::size_t>(i)];
    } else {
      list.push_back(value.list()[static_cast<std::size_t>(i)]);
    }
  }
  if (value.is_string()) return Value(std::move(text), value.is_markup());
  return Value(std::move(list), value.sequenced().kind);
}

}  // namespace posttrain::text::jinja
