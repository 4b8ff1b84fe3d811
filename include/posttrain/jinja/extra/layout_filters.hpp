// SPDX-License-Identifier: Apache-2.0
// Filters that lay text out for people: center, truncate, wordcount, filesizeformat. Including this
// header registers them (jinja/registry.hpp).
#pragma once

#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/number_filters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/print.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/string_methods.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja::filters {

inline Value center(Runtime&, const Value& v, const Arguments& a) {
  Arguments width;
  width.positional.emplace_back(integer_argument(a, 0, "width", 80));
  return Value(string_methods::pad<0>(Value(print(v)), width).text(), v.is_markup());
}

inline Value truncate(Runtime&, const Value& input, const Arguments& arguments) {
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
  std::string out(first_characters(input.text(), kept));
  if (!kill_words) {
    const std::size_t space = out.rfind(' ');
    if (space != std::string::npos) out.resize(space);
  }
  return out + end;
}

inline Value word_count(Runtime&, const Value& input, const Arguments&) {
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

inline Value file_size(Runtime& runtime, const Value& input, const Arguments& arguments) {
  Arguments refuse;
  refuse.positional.emplace_back("");
  const double bytes = to_float(runtime, input, refuse).number();
  const bool binary = flag_argument(arguments, 0, "binary");
  const double base = binary ? 1024 : 1000;
  constexpr std::string_view kLetters = "kMGTPEZY";
  if (bytes == 1) return "1 Byte";
  if (bytes < base) return fmt::format("{} Bytes", static_cast<std::int64_t>(bytes));
  double unit = base;
  std::size_t i = 0;
  for (; bytes >= unit * base && i + 1 < kLetters.size(); ++i) unit *= base;
  return fmt::format("{:.1f} {}{}B", bytes / unit,
                     binary ? static_cast<char>(std::toupper(kLetters[i])) : kLetters[i],
                     binary ? "i" : "");
}

inline const bool kLayoutFilters = registry().add_filter("center", center) &&
                                   registry().add_filter("truncate", truncate) &&
                                   registry().add_filter("wordcount", word_count) &&
                                   registry().add_filter("filesizeformat", file_size);

}  // namespace posttrain::text::jinja::filters
