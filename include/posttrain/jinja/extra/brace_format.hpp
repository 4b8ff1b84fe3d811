// SPDX-License-Identifier: Apache-2.0
// str.format() and format_map(): {}, {0}, {name}, {a.b[0]}, !r and format specifications.
//
// Including this header registers both (jinja/registry.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/printf_format.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// [[fill]align][sign][#][0][width][, or _][.precision][kind].
struct FormatSpec {
  std::string fill = " ";
  char align = '\0', sign = '-', kind = '\0', grouping = '\0';
  bool alternate = false;
  std::int64_t width = 0, precision = -1;

  explicit FormatSpec(std::string_view spec) {
    const auto is_align = [](char c) { return c != '\0' && std::string_view("<>=^").find(c) < 4; };
    const auto at = [&](std::size_t i) { return i < spec.size() ? spec[i] : '\0'; };
    if (!spec.empty()) {
      const std::size_t first = decode_utf8(spec, 0).size;
      if (is_align(at(first))) {
        fill = spec.substr(0, first);
        align = at(first);
        spec.remove_prefix(first + 1);
      } else if (is_align(at(0))) {
        align = at(0);
        spec.remove_prefix(1);
      }
    }
    const auto take = [&](std::string_view any, char& out) {
      if (at(0) == '\0' || any.find(at(0)) == std::string_view::npos) return;
      out = at(0);
      spec.remove_prefix(1);
    };
    const auto number = [&](std::int64_t& out) {
      for (out = 0; at(0) >= '0' && at(0) <= '9'; spec.remove_prefix(1)) {
        out = std::min<std::int64_t>(out * 10 + (at(0) - '0'), 100000);
      }
    };
    take("+- ", sign);
    if (at(0) == '#') {
      alternate = true;
      spec.remove_prefix(1);
    }
    if (at(0) == '0') {
      if (align == '\0') {
        fill = "0";
        align = '=';
      }
      spec.remove_prefix(1);
    }
    number(width);
    take(",_", grouping);
    if (at(0) == '.') {
      spec.remove_prefix(1);
      number(precision);
    }
    take("bcdeEfFgGnosxX%", kind);
    if (!spec.empty()) raise("Invalid format specifier: '{}' is left over", spec);
  }

  std::string padded(const std::string& head, const std::string& body, char preset) const {
    const auto missing = width - static_cast<std::int64_t>(count_characters(head + body));
    if (missing <= 0) return head + body;
    const char how = align == '\0' ? preset : align;
    const std::int64_t left = how == '<' ? 0 : how == '^' ? missing / 2 : missing;
    spend(static_cast<std::size_t>(missing) / 8);
    std::string before;
    std::string after;
    for (std::int64_t i = 0; i < missing; ++i) (i < left ? before : after) += fill;
    return how == '=' ? head + before + body : before + head + body + after;
  }

  std::string grouped(std::string digits) const {
    if (grouping == '\0') return digits;
    std::size_t end = 0;
    while (end < digits.size() && digits[end] >= '0' && digits[end] <= '9') ++end;
    for (std::size_t i = end; i > 3;) digits.insert(i -= 3, 1, grouping);
    return digits;
  }

  std::string apply(const Value& value) const {
    if (value.is_string() || (kind == '\0' && !value.is_integer() && !value.is_float())) {
      if (kind != 's' && kind != '\0') raise("Unknown format code '{}' for a str", kind);
      if (!value.is_string() && !value.is_bool() && !value.is_none() && width > 0) {
        raise("unsupported format string passed to {}", value.type_name());
      }
      std::string text = print(value);
      if (precision >= 0) text.resize(first_characters(text, precision).size());
      return padded("", text, value.is_bool() ? '>' : '<');
    }
    if (!value.is_number()) raise("Unknown format code '{}' for {}", kind, value.type_name());
    const bool whole_kind = kind == '\0' || std::string_view("bcdoxXn").find(kind) < 7;
    if (value.is_whole() && whole_kind) return padded_whole(value.integer());
    if (whole_kind && kind != '\0' && kind != 'n')
      raise("Unknown format code '{}' for float", kind);
    if (kind == 's') raise("Unknown format code 's' for {}", value.type_name());
    const double real = kind == '%' ? value.number() * 100 : value.number();
    Conversion conversion;
    conversion.kind = kind == '%' ? 'f' : kind == '\0' || kind == 'n' ? 'g' : kind;
    conversion.precision = std::min<std::int64_t>(precision, 300);
    if (alternate) conversion.flags = "#";
    std::string digits = kind == '\0' && precision < 0 ? print_float(std::abs(real))
                                                       : conversion.number(std::abs(real));
    if (kind == '%') digits += '%';
    return padded(sign_of(std::signbit(real)), grouped(digits), '>');
  }

 private:
  std::string sign_of(bool negative) const {
    return negative ? "-" : sign == '-' ? "" : std::string(1, sign);
  }

  std::string padded_whole(std::int64_t value) const {
    const auto size =
        value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
    if (kind == 'c') return padded("", to_utf8(static_cast<char32_t>(size)), '<');
    std::string digits = kind == 'x'   ? fmt::format("{:x}", size)
                         : kind == 'X' ? fmt::format("{:X}", size)
                         : kind == 'o' ? fmt::format("{:o}", size)
                         : kind == 'b' ? fmt::format("{:b}", size)
                                       : fmt::format("{}", size);
    const bool prefixed = alternate && kind != '\0' && std::string_view("xXob").find(kind) < 4;
    const std::string prefix = prefixed ? std::string("0") + kind : "";
    return padded(sign_of(value < 0) + prefix, grouped(digits), '>');
  }
};

inline constexpr std::size_t kNumbered = ~std::size_t{0};

/// The value of a replacement field's name: an argument, then its attributes and items.
inline Value format_field(std::string_view field, const Arguments& arguments,
                          std::optional<std::size_t>& used) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.size() < 10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  const std::size_t stop = std::min(field.find_first_of(".["), field.size());
  const std::string first(field.substr(0, stop));
  const bool numbered = is_number(first);
  if (first.empty() || numbered) {  // {} counts on from the last {}
    const bool counted = used.has_value();
    if (counted && numbered != (*used == kNumbered)) {
      fail("format: automatic and manual numbering of the fields do not mix");
    }
    if (!counted) used = numbered ? kNumbered : 0;
  }
  const std::size_t position = first.empty() ? (*used)++
                               : numbered    ? std::stoul(first)
                                             : arguments.positional.size();
  const Value* found = arguments.get(position, numbered || first.empty() ? "" : first);
  if (found == nullptr) raise("format: no argument for '{}'", field);
  Value value = *found;
  field.remove_prefix(stop);
  while (!field.empty()) {
    const bool bracket = field[0] == '[';
    const std::size_t end =
        std::min(bracket ? field.find(']') : field.find_first_of(".[", 1), field.size());
    const std::string part(field.substr(1, end - 1));
    if (part.empty() || (bracket && end == field.size())) fail("format: a field name is broken");
    value = !bracket          ? attribute(value, part)
            : is_number(part) ? item(value, std::int64_t{std::atoll(part.c_str())})
                              : item(value, part);
    field.remove_prefix(end + (bracket ? 1 : 0));
  }
  return value;
}

inline std::string brace_format(std::string_view format, const Arguments& arguments,
                                std::optional<std::size_t>* counter = nullptr) {
  const Level level;
  spend_decoding(format.size());
  std::string out;
  std::optional<std::size_t> own;
  std::optional<std::size_t>& used = counter != nullptr ? *counter : own;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    if (c == '}') fail("format: a '}' has no '{'");
    std::size_t close = i + 1;
    for (int open = 1; close < format.size(); ++close) {
      open += format[close] == '{' ? 1 : format[close] == '}' ? -1 : 0;
      if (open == 0) break;
    }
    if (close >= format.size()) fail("format: a '{' has no '}'");
    std::string_view field = format.substr(i + 1, close - i - 1);
    const std::size_t colon = std::min(field.find(':'), field.size());
    std::string_view name = field.substr(0, colon);
    char conversion = '\0';
    if (const std::size_t mark = name.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != name.size()) fail("format: a conversion is one letter behind '!'");
      conversion = name[mark + 1];
      name = name.substr(0, mark);
    }
    Value value = format_field(name, arguments, used);
    if (conversion == 'r')
      value = repr(value);
    else if (conversion == 's')
      value = print(value);
    else if (conversion != '\0')
      raise("format: the conversion '!{}' is not supported", conversion);
    const std::string spec =
        colon < field.size() ? brace_format(field.substr(colon + 1), arguments, &used) : "";
    spend(16);  // of a float: hundreds of digits
    append(out, FormatSpec(spec).apply(value));
    i = close;
  }
  return out;
}

namespace string_methods {

inline Value format(const Value& self, const Arguments& arguments) {
  return make_text(brace_format(self.text(), arguments));
}

inline Value format_map(const Value& self, const Arguments& arguments) {
  const Value& map = need(arguments, 0, "mapping");
  if (!map.is_dict()) raise("expected a mapping, got {}", map.type_name());
  Arguments named;
  for (const auto& [key, value] : map.dict().items) named.named.emplace_back(print(key), value);
  return make_text(brace_format(self.text(), named));
}

inline const bool kBraceFormat =
    registry().add_method("format", format) && registry().add_method("format_map", format_map);

}  // namespace string_methods

}  // namespace posttrain::text::jinja
