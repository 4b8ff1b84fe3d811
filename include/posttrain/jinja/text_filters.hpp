// SPDX-License-Identifier: Apache-2.0
// Filters on texts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/json.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/ordering.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja::filters {

inline Value tojson(Evaluator&, const Value& input, const Arguments& arguments) {
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

inline Value indent(Evaluator&, const Value& input, const Arguments& arguments) {
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
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += '\n';
      if (blank || !lines[i].empty()) out += by;
    }
    out += lines[i];
    check_text(out.size() / 64);
  }
  return Value(std::move(out), input.is_markup());
}

inline Value join(Evaluator& evaluator, const Value& input, const Arguments& arguments) {
  const Value* separator = arguments.get(0, "d");
  const Value* attribute = arguments.get(1, "attribute");
  const Value mark = separator != nullptr ? *separator : Value("");
  List items = iterate(input);
  if (attribute != nullptr && !attribute->is_none()) {
    for (Value& item : items) item = follow(item, *attribute);
  }
  // Under autoescape one part that is markup has all others escaped.
  const bool markup = evaluator.autoescape() &&
                      (mark.is_markup() ||
                       std::ranges::any_of(items, [](const Value& v) { return v.is_markup(); }));
  const auto text = [&](const Value& value) { return markup ? escaped(value) : print(value); };
  const std::string between = text(mark);
  std::string out;
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) out += between;
    out += text(item);
    check_text(out.size());
  }
  return Value(std::move(out), markup);
}

inline Value truncate(Evaluator&, const Value& input, const Arguments& arguments) {
  const std::int64_t size = integer_argument(arguments, 0, "length", 255);
  const bool kill_words = flag_argument(arguments, 1, "killwords");
  const Value* given = arguments.get(2, "end");
  const std::string end = given != nullptr ? print(*given) : "...";
  const std::int64_t leeway = integer_argument(arguments, 3, "leeway", 5);
  if (leeway < 0) fail("truncate: expected a leeway of at least 0");
  const std::int64_t kept = size - static_cast<std::int64_t>(count_characters(end));
  if (kept < 0) fail("truncate: the end is longer than the length");
  if (static_cast<std::int64_t>(length(input)) <= size + leeway) return input;
  if (!input.is_string()) raise("truncate: expected a string, got {}", input.type_name());
  const auto parts = characters(input.text());
  std::string out;
  for (std::int64_t i = 0; i < kept; ++i) out += parts[static_cast<std::size_t>(i)];
  if (!kill_words) {
    const std::size_t space = out.rfind(' ');
    if (space != std::string::npos) out.resize(space);
  }
  return out + end;
}

/// Each word's first letter upper case, its others lower case; blanks, -, (, {, [ and < part words.
inline Value title(Evaluator&, const Value& input, const Arguments&) {
  const std::string text = print(input);
  std::string out;
  std::string word;
  const auto close = [&] {
    if (word.empty()) return;
    const std::size_t head = decode_utf8(word, 0).size;
    out += upper(word.substr(0, head)) + lower(word.substr(head));
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

inline Value word_count(Evaluator&, const Value& input, const Arguments&) {
  const std::string text = print(input);
  std::int64_t words = 0;
  bool inside = false;
  for (const auto c : characters(text)) {
    const bool word = is_word(decode_utf8(c, 0).code);
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return words;
}

/// Without tags and comments, white space collapsed.
inline Value strip_tags(Evaluator&, const Value& input, const Arguments&) {
  std::string text = print(input);
  const auto remove = [&](std::string_view open, std::string_view close) {
    std::string out;
    std::size_t at = 0;
    for (;;) {
      const std::size_t begin = text.find(open, at);
      const std::size_t end =
          begin == std::string::npos ? begin : text.find(close, begin + open.size());
      if (end == std::string::npos) break;
      out += text.substr(at, begin - at);
      at = end + close.size();
    }
    text = out + text.substr(at);
  };
  remove("<!--", "-->");
  remove("<", ">");
  std::string out;
  for (const Value& word : split(text, nullptr, -1, false)) {
    out += (out.empty() ? "" : " ") + word.text();
  }
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&#34;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, meaning] : kEntities) out = jinja::replace(out, entity, meaning, -1);
  return out;
}

inline std::string url_quote(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) < 4 || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (query && c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

inline Value url_encode(Evaluator&, const Value& input, const Arguments&) {
  if (input.is_string() || !is_iterable(input)) return url_quote(print(input), false);
  std::string out;
  for (const Value& pair :
       input.is_dict() ? dict_view(input, Sequence::kItems).list() : iterate(input)) {
    const List parts = iterate(pair);
    if (parts.size() != 2) fail("urlencode: expected pairs");
    out += (out.empty() ? "" : "&") + url_quote(print(parts[0]), true) + "=" +
           url_quote(print(parts[1]), true);
  }
  return make_text(std::move(out));
}

}  // namespace posttrain::text::jinja::filters
