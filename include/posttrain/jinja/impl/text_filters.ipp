// SPDX-License-Identifier: Apache-2.0
// Definitions of text_filters.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/json.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/ordering.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/text_filters.hpp"

namespace posttrain::text::jinja::filters {

POSTTRAIN_INLINE Value tojson(Runtime&, const Value& input, const Arguments& arguments) {
  JsonOptions options;
  options.ensure_ascii = flag_argument(arguments, 0, "ensure_ascii");
  options.sort_keys = flag_argument(arguments, 3, "sort_keys");
  if (const Value* indent = arguments.get(1, "indent"); indent != nullptr && !indent->is_none()) {
    options.pretty = true;
    options.item_separator = ",";
    options.indent =
        indent->is_string()
            ? indent->text()
            : std::string(
                  static_cast<std::size_t>(std::clamp<std::int64_t>(indent->integer(), 0, 1000)),
                  ' ');
  }
  if (const Value* separators = arguments.get(2, "separators");
      separators != nullptr && !separators->is_none()) {
    const List parts = iterate(*separators);
    if (parts.size() != 2) fail("tojson: expected two separators");
    options.item_separator = print(parts[0]);
    options.key_separator = print(parts[1]);
  }
  std::string out;
  write_json(input, options, 0, out);
  return make_text(std::move(out));
}

POSTTRAIN_INLINE Value indent(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* width = arguments.get(0, "width");
  const std::string by = width != nullptr && width->is_string()
                             ? width->text()
                             : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                                               width != nullptr ? width->integer() : 4, 0, 10000)),
                                           ' ');
  if (input.is_undefined()) undefined_error(input);
  if (!input.is_string()) raise("indent: expected a string, got {}", input.type_name());
  const bool first = flag_argument(arguments, 1, "first");
  const bool blank = flag_argument(arguments, 2, "blank");
  const std::vector<std::string> lines = split_lines(print(input) + "\n");
  std::string out = first ? by : "";
  spend_reading(out.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += '\n';
      if (blank || !lines[i].empty()) append(out, by);
    }
    append(out, lines[i]);
  }
  return Value(std::move(out), input.is_markup());
}

POSTTRAIN_INLINE Value join(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value* separator = arguments.get(0, "d");
  const Value* attribute = arguments.get(1, "attribute");
  const Value mark = separator != nullptr ? *separator : Value("");
  List items = iterate(input);
  if (attribute != nullptr && !attribute->is_none()) {
    for (Value& item : items) item = follow(item, *attribute);
  }
  // Under autoescape one part that is markup has all others escaped.
  const bool markup = runtime.autoescape() &&
                      (mark.is_markup() ||
                       std::ranges::any_of(items, [](const Value& v) { return v.is_markup(); }));
  const auto text = [&](const Value& value) { return markup ? escaped(value) : print(value); };
  const std::string between = text(mark);
  std::string out;
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) append(out, between);
    append(out, text(item));
  }
  return Value(std::move(out), markup);
}

POSTTRAIN_INLINE Value trim(Runtime&, const Value& v, const Arguments& a) {
  return make_text(strip(print(v), a.get(0, "chars"), true, true), v.is_markup());
}

POSTTRAIN_INLINE Value replace(Runtime& runtime, const Value& v, const Arguments& a) {
  const Value& old = need(a, 0, "old");
  const Value& fresh = need(a, 1, "new");
  const std::int64_t count = integer_argument(a, 2, "count", -1);
  const bool escape = runtime.autoescape();
  const bool markup = escape && (v.is_markup() || old.is_markup() || fresh.is_markup());
  return make_text(jinja::replace(markup ? escaped(v) : print(v), print(old),
                                  markup ? escaped(fresh) : print(fresh), count),
                   markup);
}

POSTTRAIN_INLINE Value format(Runtime&, const Value& v, const Arguments& a) {
  if (!a.positional.empty() && !a.named.empty()) {
    fail("format: expected positional or keyword arguments, not both");
  }
  if (a.named.empty()) {
    return binary_operation("%", text_of(v), Value(a.positional, Sequence::kTuple));
  }
  Dict dict;
  for (const auto& [key, value] : a.named) dict.set(key, value);
  return binary_operation("%", text_of(v), dict);
}

POSTTRAIN_INLINE Value title(Runtime&, const Value& input, const Arguments&) {
  const std::string text = print(input);
  std::string out;
  std::string word;
  const auto close = [&] {
    if (word.empty()) return;
    const std::size_t head = decode_utf8(word, 0).size;
    out += jinja::upper(word.substr(0, head)) + jinja::lower(word.substr(head));
    word.clear();
  };
  for (const auto c : characters(text)) {
    const bool parts = is_python_space(decode_utf8(c, 0).code) ||
                       (c.size() == 1 && std::string_view("-({[<").find(c) < 5);
    if (!parts) {
      word += c;
      continue;
    }
    close();
    out += c;
  }
  close();
  return out;
}

POSTTRAIN_INLINE Value lower(Runtime&, const Value& input, const Arguments&) {
  return make_text(jinja::lower(print(input)), input.is_markup());
}

POSTTRAIN_INLINE Value upper(Runtime&, const Value& input, const Arguments&) {
  return make_text(jinja::upper(print(input)), input.is_markup());
}

POSTTRAIN_INLINE Value capitalize(Runtime&, const Value& input, const Arguments&) {
  return make_text(jinja::capitalize(print(input)), input.is_markup());
}

POSTTRAIN_INLINE Value escape(Runtime&, const Value& v, const Arguments&) {
  return v.is_markup() ? v : Value(escape_markup(print(v)), true);
}

POSTTRAIN_INLINE Value force_escape(Runtime&, const Value& input, const Arguments&) {
  return Value(escape_markup(print(input)), true);
}

POSTTRAIN_INLINE Value safe(Runtime&, const Value& input, const Arguments&) {
  return Value(print(input), true);
}

POSTTRAIN_INLINE Value to_text(Runtime&, const Value& input, const Arguments&) {
  return text_of(input);
}

}  // namespace posttrain::text::jinja::filters
