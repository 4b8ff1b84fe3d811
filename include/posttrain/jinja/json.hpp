// SPDX-License-Identifier: Apache-2.0
// `tojson`: json.dumps() as transformers calls it.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

struct JsonOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool pretty = false;  // one item per line, each level starting with `indent` once more
  std::string indent{};
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

inline void json_string(std::string_view text, bool ensure_ascii, std::string& out) {
  spend_decoding(text.size());
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
  check_text_size(out.size());
}

/// json.dumps(); what it cannot write (undefined, functions, generators) is an error.
inline void write_json(const Value& value, const JsonOptions& options, int depth,
                       std::string& out) {
  const Level level(kDeepestValue);
  check_text_size(out.size());
  const auto line = [&](int indents) {
    if (!options.pretty) return;
    out += '\n';
    for (int i = 0; i < indents; ++i) append(out, options.indent);
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
  } else if (value.is_sequence(Sequence::kList) || value.is_tuple()) {
    if (value.list().empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (std::size_t i = 0; i < value.list().size(); ++i) {
      if (i > 0) append(out, options.item_separator);
      line(depth + 1);
      write_json(value.list()[i], options, depth + 1, out);
    }
    line(depth);
    out += ']';
  } else if (value.is_dict()) {
    spend(value.dict().items.size());
    auto items = value.dict().items;
    if (items.empty()) {
      out += "{}";
      return;
    }
    if (options.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto& a, const auto& b) { return order(a.first, b.first) < 0; });
    }
    out += '{';
    bool first = true;
    for (const auto& [key, item] : items) {
      if (!first) append(out, options.item_separator);
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
      append(out, options.key_separator);
      write_json(item, options, depth + 1, out);
    }
    line(depth);
    out += '}';
  } else {
    raise("tojson: a value of type {} is not JSON", value.type_name());
  }
}

}  // namespace posttrain::text::jinja
