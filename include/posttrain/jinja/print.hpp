// SPDX-License-Identifier: Apache-2.0
// Values as Python writes them: str() and repr().
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// repr() of a float: the shortest digits that read back, exponents as Python prints them.
inline std::string print_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(scientific.ptr - buffer));
  const int exponent = std::stoi(std::string(text.substr(text.find('e') + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

/// repr() of a string: single quotes unless only those occur in it.
inline std::string quote(std::string_view text) {
  spend_decoding(text.size());
  const bool single =
      text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char mark = single ? '\'' : '"';
  std::string out(1, mark);
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const char32_t c = point.code;
    if (c == static_cast<char32_t>(mark) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      const auto k = category(c);
      const bool hidden = (k >= UTF8PROC_CATEGORY_ZS && c != ' ') || k == UTF8PROC_CATEGORY_CN;
      if (c >= 0x80 && hidden) {  // separators, controls, unassigned
        out += c < 0x100     ? fmt::format("\\x{:02x}", static_cast<unsigned>(c))
               : c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<unsigned>(c))
                             : fmt::format("\\U{:08x}", static_cast<unsigned>(c));
      } else {
        out += text.substr(i, point.size);
      }
    }
    i += point.size;
  }
  out += mark;
  return out;
}

void print_to(const Value& value, bool quoted, std::string& out);

inline void print_items(const Value& value, std::string& out) {
  bool first = true;
  for (const Value& item : value.list()) {
    if (!std::exchange(first, false)) out += ", ";
    print_to(item, true, out);
  }
}

inline void print_sequence(const Value& value, std::string& out) {
  const List& items = value.list();
  switch (value.sequenced().kind) {
    case Sequence::kTuple:
    case Sequence::kGroup:
      out += '(';
      print_items(value, out);
      out += items.size() == 1 ? ",)" : ")";
      break;
    case Sequence::kGenerator:
      out += "<generator object>";
      break;
    case Sequence::kRange: {
      const Range& range = value.sequenced().range;
      out += fmt::format("range({}, {}", range.start, range.stop);
      out += range.step == 1 ? std::string(")") : fmt::format(", {})", range.step);
      break;
    }
    case Sequence::kList:
      out += '[';
      print_items(value, out);
      out += ']';
      break;
    default:
      out += value.type_name() + "([";
      print_items(value, out);
      out += "])";
  }
}

/// str() of a value or, with `quoted`, its repr().
inline void print_to(const Value& value, bool quoted, std::string& out) {
  const Level level(kDeepestValue);
  check_text_size(out.size());
  if (value.is_undefined()) {
    if (quoted) out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (value.is_bool()) {
    out += value.truth() ? "True" : "False";
  } else if (value.is_integer()) {
    out += std::to_string(value.integer());
  } else if (value.is_float()) {
    out += print_float(value.number());
  } else if (value.is_string()) {
    if (!quoted) {
      append(out, value.text());
    } else if (value.is_markup()) {
      append(out, "Markup(" + quote(value.text()) + ")");
    } else {
      append(out, quote(value.text()));
    }
  } else if (value.is_sequence()) {
    print_sequence(value, out);
  } else if (value.is_object()) {
    append(out, value.object().print());
  } else {
    out += value.is_dict() ? "{" : "<Namespace {";
    bool first = true;
    for (const auto& [key, item] :
         (value.is_dict() ? value.dict() : value.space().attributes).items) {
      if (!std::exchange(first, false)) out += ", ";
      print_to(key, true, out);
      out += ": ";
      print_to(item, true, out);
    }
    out += value.is_dict() ? "}" : "}>";
  }
}

inline std::string print(const Value& value) {
  std::string out;
  print_to(value, false, out);
  return out;
}

inline std::string repr(const Value& value) {
  std::string out;
  print_to(value, true, out);
  return out;
}

}  // namespace posttrain::text::jinja
