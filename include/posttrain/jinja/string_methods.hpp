// SPDX-License-Identifier: Apache-2.0
// The methods of str, but for format and format_map (jinja/extra/brace_format.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/search.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// [start, end) of the optional arguments of find(), count(), startswith() …, in bytes.
inline std::pair<std::size_t, std::size_t> byte_range(std::string_view text,
                                                      const Arguments& arguments) {
  const Value* start = arguments.get(1, "start");
  const Value* stop = arguments.get(2, "end");
  if (start == nullptr && stop == nullptr) return {0, text.size()};
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const auto place = [&](const Value* v, std::int64_t preset) {
    std::int64_t i = v == nullptr || v->is_none() ? preset : v->integer();
    if (i < 0) i = std::max<std::int64_t>(std::max(i, -size - 1) + size, 0);
    i = std::min(i, size);
    return first_characters(text, i).size();
  };
  const std::size_t begin = place(start, 0);
  return {begin, std::max(begin, place(stop, size))};
}

namespace string_methods {

inline std::int64_t limit(const Arguments& a, std::size_t position, std::string_view name) {
  return integer_argument(a, position, name, -1);
}

template <bool left, bool right>
Value strip(const Value& self, const Arguments& a) {
  return jinja::strip(self.text(), a.get(0, "chars"), left, right);
}

template <bool right>
Value split(const Value& self, const Arguments& a) {
  return jinja::split(self.text(), a.get(0, "sep"), limit(a, 1, "maxsplit"), right);
}

inline Value split_lines(const Value& self, const Arguments& a) {
  List lines;
  for (std::string& line : jinja::split_lines(self.text(), flag_argument(a, 0, "keepends"))) {
    lines.emplace_back(std::move(line));
  }
  return lines;
}

inline Value replace(const Value& self, const Arguments& a) {
  return make_text(jinja::replace(self.text(), text_argument(a, 0, "old"),
                                  text_argument(a, 1, "new"), limit(a, 2, "count")));
}

inline std::string_view part(const Value& self, const Arguments& a, std::size_t& begin) {
  const auto [from, to] = byte_range(self.text(), a);
  begin = from;
  return std::string_view(self.text()).substr(from, to - from);
}

template <bool at_start>
bool has_edge(std::string_view text, std::string_view edge) {
  if (edge.size() > text.size()) return false;
  return equal_texts(
      at_start ? text.substr(0, edge.size()) : text.substr(text.size() - edge.size()), edge);
}

template <bool at_start>
Value is_at_edge(const Value& self, const Arguments& a) {
  const Value& wanted = need(a, 0, at_start ? "prefix" : "suffix");
  std::size_t begin = 0;
  const std::string_view text = part(self, a, begin);
  const auto fits = [&](const Value& v) {
    if (v.is_undefined()) undefined_error(v);
    if (!v.is_string()) raise("expected a string or a tuple of strings, got {}", v.type_name());
    return has_edge<at_start>(text, v.text());
  };
  if (!wanted.is_tuple()) return fits(wanted);
  spend(wanted.list().size());
  return std::any_of(wanted.list().begin(), wanted.list().end(), fits);
}

template <bool right, bool must>
Value find(const Value& self, const Arguments& a) {
  const std::string& wanted = text_argument(a, 0, "sub");
  std::size_t begin = 0;
  const std::string_view text = part(self, a, begin);
  const std::size_t found =
      right ? BackwardSearch(text, wanted).find(text.size()) : find_text(text, wanted);
  if (found != std::string_view::npos) {
    return count_characters(std::string_view(self.text()).substr(0, begin + found));
  }
  if (must) fail("substring not found");
  return std::int64_t{-1};
}

inline Value count(const Value& self, const Arguments& a) {
  const std::string& wanted = text_argument(a, 0, "sub");
  std::size_t begin = 0;
  const std::string_view text = part(self, a, begin);
  if (wanted.empty()) return count_characters(text) + 1;
  std::int64_t found = 0;
  for (std::size_t i = find_text(text, wanted); i != std::string_view::npos;
       i = find_text(text, wanted, i + wanted.size())) {
    spend(1);
    ++found;
  }
  return found;
}

inline Value join(const Value& self, const Arguments& a) {
  std::string out;
  bool first = true;
  for (const Value& item : iterate(need(a, 0, "iterable"))) {
    if (!item.is_string()) raise("join: expected strings, got {}", item.type_name());
    if (!std::exchange(first, false)) append(out, self.text());
    append(out, item.text());
  }
  return out;
}

/// ljust (< 0), center (0), rjust (> 0).
template <int where>
Value pad(const Value& self, const Arguments& a) {
  const std::string& text = self.text();
  const Value* fill = a.get(1, "fillchar");
  const std::string mark = fill != nullptr ? text_argument(a, 1, "fillchar") : " ";
  if (count_characters(mark) != 1) fail("the fill character must be exactly one character long");
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const std::int64_t width = need(a, 0, "width").integer();
  if (width > 1000000) fail("a width of more than 1000000 characters");
  const std::int64_t space = width - size;
  if (space <= 0) return text;
  const std::int64_t left = where < 0 ? 0 : where > 0 ? space : space / 2 + (space & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += mark;
  out += text;
  for (std::int64_t i = left; i < space; ++i) out += mark;
  return make_text(std::move(out));
}

template <bool right>
Value partition(const Value& self, const Arguments& a) {
  const std::string& text = self.text();
  const std::string& mark = text_argument(a, 0, "sep");
  if (mark.empty()) fail("empty separator");
  const std::size_t found =
      right ? BackwardSearch(text, mark).find(text.size()) : find_text(text, mark);
  if (found == std::string::npos) {
    return Value(right ? List{"", "", text} : List{text, "", ""}, Sequence::kTuple);
  }
  return Value(List{text.substr(0, found), mark, text.substr(found + mark.size())},
               Sequence::kTuple);
}

inline Value zero_fill(const Value& self, const Arguments& a) {
  const std::string& text = self.text();
  const std::int64_t width = need(a, 0, "width").integer();
  if (width > 1000000) fail("a width of more than 1000000 characters");
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  const std::int64_t missing = width - static_cast<std::int64_t>(count_characters(text));
  std::string out = sign ? text.substr(0, 1) : std::string();
  if (missing > 0) out.append(static_cast<std::size_t>(missing), '0');
  return make_text(out + text.substr(sign ? 1 : 0));
}

inline Value expand_tabs(const Value& self, const Arguments& a) {
  const std::int64_t size = std::clamp<std::int64_t>(integer_argument(a, 0, "tabsize", 8), 0, 1000);
  std::string out;
  std::int64_t column = 0;
  for (const auto c : characters(self.text())) {
    if (c == "\t") {
      const std::int64_t blanks = size > 0 ? size - column % size : 0;
      append(out, std::string(static_cast<std::size_t>(blanks), ' '));
      column += blanks;
    } else {
      out += c;
      column = c == "\n" || c == "\r" ? 0 : column + 1;
    }
  }
  return make_text(std::move(out));
}

template <std::string (*f)(std::string_view)>
Value changed(const Value& self, const Arguments&) {
  return make_text(f(self.text()));
}

template <bool (*test)(char32_t)>
Value all(const Value& self, const Arguments&) {
  return all_characters(self.text(), test);
}

inline bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
inline bool is_digit(char32_t c) {  // and superscripts, circled and other digits
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
         (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) ||
         (c >= 0x2488 && c <= 0x2490);
}
inline bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c); }
inline bool is_printable(char32_t c) {
  const auto k = category(c);
  return c == ' ' || (k != UTF8PROC_CATEGORY_CN && k < UTF8PROC_CATEGORY_ZS);
}

}  // namespace string_methods

inline const MethodTable& string_method_table() {
  namespace m = string_methods;
  static const MethodTable table = {
      {"strip", m::strip<true, true>},
      {"lstrip", m::strip<true, false>},
      {"rstrip", m::strip<false, true>},
      {"split", m::split<false>},
      {"rsplit", m::split<true>},
      {"splitlines", m::split_lines},
      {"replace", m::replace},
      {"startswith", m::is_at_edge<true>},
      {"endswith", m::is_at_edge<false>},
      {"find", m::find<false, false>},
      {"rfind", m::find<true, false>},
      {"index", m::find<false, true>},
      {"rindex", m::find<true, true>},
      {"count", m::count},
      {"join", m::join},
      {"upper", m::changed<upper>},
      {"lower", m::changed<lower>},
      {"casefold", m::changed<case_fold>},
      {"capitalize", m::changed<capitalize>},
      {"title", m::changed<title>},
      {"swapcase", m::changed<swap_case>},
      {"isdecimal", m::all<m::is_decimal>},
      {"isdigit", m::all<m::is_digit>},
      {"isnumeric", m::all<is_numeric>},
      {"isalpha", m::all<is_letter>},
      {"isalnum", m::all<m::is_letter_or_number>},
      {"isspace", m::all<is_python_space>},
      {"isprintable",
       [](const Value& v, const Arguments&) -> Value {
         return v.text().empty() || all_characters(v.text(), m::is_printable);
       }},
      {"isascii",
       [](const Value& v, const Arguments&) -> Value {
         spend_reading(v.text().size());
         return is_ascii(v.text());
       }},
      {"isupper",
       [](const Value& v, const Arguments&) -> Value { return is_cased(v.text(), true); }},
      {"islower",
       [](const Value& v, const Arguments&) -> Value { return is_cased(v.text(), false); }},
      {"istitle", [](const Value& v, const Arguments&) -> Value { return is_title(v.text()); }},
      {"isidentifier",
       [](const Value& v, const Arguments&) -> Value {
         return all_characters(v.text(), is_word) && !is_numeric(decode_utf8(v.text(), 0).code);
       }},
      {"partition", m::partition<false>},
      {"rpartition", m::partition<true>},
      {"removeprefix",
       [](const Value& v, const Arguments& a) -> Value {
         const std::string& mark = text_argument(a, 0, "prefix");
         return m::has_edge<true>(v.text(), mark) ? v.text().substr(mark.size()) : v.text();
       }},
      {"removesuffix",
       [](const Value& v, const Arguments& a) -> Value {
         const std::string& mark = text_argument(a, 0, "suffix");
         if (!m::has_edge<false>(v.text(), mark)) return v.text();
         return v.text().substr(0, v.text().size() - mark.size());
       }},
      {"zfill", m::zero_fill},
      {"center", m::pad<0>},
      {"ljust", m::pad<-1>},
      {"rjust", m::pad<1>},
      {"expandtabs", m::expand_tabs},
  };
  return table;
}

}  // namespace posttrain::text::jinja
