// SPDX-License-Identifier: Apache-2.0
// How Python writes values: str(), repr() and json.dumps().
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "posttrain/text/jinja/value.hpp"
#include "posttrain/text/utf8.hpp"

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

std::string print(const Value& value);

inline std::string repr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_string()) {
    return value.is_markup() ? "Markup(" + quote(value.text()) + ")" : quote(value.text());
  }
  return print(value);
}

/// str().
inline std::string print(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.truth() ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_float()) return print_float(value.number());
  if (value.is_string()) return value.text();
  if (value.is_sequence()) {
    const Sequence kind = value.sequenced().kind;
    if (kind == Sequence::kGenerator) return "<generator object>";
    std::string out = kind == Sequence::kTuple  ? "("
                      : kind == Sequence::kView ? "dict_items(["
                                                : "[";
    for (std::size_t i = 0; i < value.list().size(); ++i) {
      if (i > 0) out += ", ";
      out += repr(value.list()[i]);
    }
    if (kind == Sequence::kTuple) return out + (value.list().size() == 1 ? ",)" : ")");
    return out + (kind == Sequence::kView ? "])" : "]");
  }
  if (value.is_dict() || value.is_namespace()) {
    const Dict& dict = value.is_dict() ? value.dict() : value.space().attributes;
    std::string out = value.is_dict() ? "{" : "<Namespace {";
    bool first = true;
    for (const auto& [key, item] : dict.items) {
      if (!first) out += ", ";
      first = false;
      out += repr(key);
      out += ": ";
      out += repr(item);
    }
    return out + (value.is_dict() ? "}" : "}>");
  }
  return "<function " + value.callable().name + ">";
}

struct JsonOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool pretty = false;  // one item per line, each level starting with `indent` once more
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

inline void json_string(std::string_view text, bool ensure_ascii, std::string& out) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const auto c = static_cast<unsigned>(point.code);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
          out += fmt::format("\\u{:04x}", c);
        } else if (ensure_ascii && c >= 0x10000) {
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800U + ((c - 0x10000U) >> 10U),
                             0xDC00U + ((c - 0x10000U) & 0x3FFU));
        } else {
          out += text.substr(i, point.size);
        }
    }
    i += point.size;
  }
  out += '"';
}

/// json.dumps(); what it cannot write (undefined, functions, generators) is an error.
inline void write_json(const Value& value, const JsonOptions& options, int depth,
                       std::string& out) {
  if (depth > 200) fail("tojson: the value is nested too deeply");
  const auto line = [&](int level) {
    if (!options.pretty) return;
    out += '\n';
    for (int i = 0; i < level; ++i) out += options.indent;
  };
  if (value.is_none()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.truth() ? "true" : "false";
  } else if (value.is_integer()) {
    out += std::to_string(value.integer());
  } else if (value.is_float()) {
    const double number = value.number();
    out += std::isnan(number)   ? "NaN"
           : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                : print_float(number);
  } else if (value.is_string()) {
    json_string(value.text(), options.ensure_ascii, out);
  } else if (value.is_sequence(Sequence::kList) || value.is_sequence(Sequence::kTuple)) {
    if (value.list().empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (std::size_t i = 0; i < value.list().size(); ++i) {
      if (i > 0) out += options.item_separator;
      line(depth + 1);
      write_json(value.list()[i], options, depth + 1, out);
    }
    line(depth);
    out += ']';
  } else if (value.is_dict()) {
    auto items = value.dict().items;
    if (items.empty()) {
      out += "{}";
      return;
    }
    if (options.sort_keys) {
      std::sort(items.begin(), items.end(),
                [](const auto& a, const auto& b) { return print(a.first) < print(b.first); });
    }
    out += '{';
    bool first = true;
    for (const auto& [key, item] : items) {
      if (!first) out += options.item_separator;
      first = false;
      line(depth + 1);
      if (key.is_string()) {
        json_string(key.text(), options.ensure_ascii, out);
      } else if (key.is_number() || key.is_none()) {
        std::string name;
        write_json(key, options, depth, name);
        json_string(name, options.ensure_ascii, out);
      } else {
        raise("tojson: keys must be strings or numbers, got {}", key.type_name());
      }
      out += options.key_separator;
      write_json(item, options, depth + 1, out);
    }
    line(depth);
    out += '}';
  } else {
    raise("tojson: a value of type {} is not JSON", value.type_name());
  }
}

}  // namespace posttrain::text::jinja
