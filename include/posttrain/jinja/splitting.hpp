// SPDX-License-Identifier: Apache-2.0
// Python's strip, split, splitlines and replace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/search.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// strip(), lstrip(), rstrip(): white space, or any of `set`.
inline std::string strip(std::string_view text, const Value* set, bool left, bool right) {
  const bool blank = set == nullptr || set->is_none() || set->is_undefined();
  if (!blank && !set->is_string()) raise("strip: expected a string, got {}", set->type_name());
  std::u32string wanted;
  if (!blank) {
    for (const auto c : characters(set->text())) wanted += decode_utf8(c, 0).code;
    std::sort(wanted.begin(), wanted.end());
  }
  const auto drop = [&](char32_t c) {
    return blank ? is_python_space(c) : std::binary_search(wanted.begin(), wanted.end(), c);
  };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (left && begin < end) {
    const CodePoint point = decode_utf8(text, begin);
    if (!drop(point.code)) break;
    begin += point.size;
  }
  while (right && end > begin) {
    const std::size_t start = previous_character(text, end);
    if (!drop(decode_utf8(text, start).code)) break;
    end = start;
  }
  spend_decoding(text.size() - (end - begin));
  return std::string(text.substr(begin, end - begin));
}

inline std::vector<std::string> split_lines(std::string_view text, bool keep_ends = false) {
  spend_decoding(text.size());
  std::vector<std::string> lines;
  const auto add = [&](std::size_t begin, std::size_t end) {
    check_list_size(lines.size() + 1);
    spend(4);
    lines.emplace_back(text.substr(begin, end - begin));
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const char32_t c = point.code;
    const std::size_t mark = i;
    i += point.size;
    const bool end = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                     c == 0x2028 || c == 0x2029;
    if (!end) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    add(begin, keep_ends ? i : mark);
    begin = i;
  }
  if (begin < text.size()) add(begin, text.size());
  return lines;
}

namespace detail {

/// Adds a part to the result of a split, which has a largest size.
inline void add_part(List& parts, std::string_view part) {
  check_list_size(parts.size() + 1);
  parts.emplace_back(part);
}

/// The end of the word at `at`, or of the white space there.
inline std::size_t run_end(std::string_view text, std::size_t at, bool space) {
  while (at < text.size()) {
    const CodePoint point = decode_utf8(text, at);
    if (is_python_space(point.code) != space) break;
    at += point.size;
  }
  return at;
}

/// The start of the word that ends at `end`, or of the white space.
inline std::size_t run_begin(std::string_view text, std::size_t end, bool space) {
  while (end > 0) {
    const std::size_t start = previous_character(text, end);
    if (is_python_space(decode_utf8(text, start).code) != space) break;
    end = start;
  }
  return end;
}

inline List split_words(std::string_view text, std::int64_t limit) {
  List out;
  for (std::size_t at = run_end(text, 0, true); at < text.size();) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      add_part(out, text.substr(at));
      break;
    }
    const std::size_t end = run_end(text, at, false);
    add_part(out, text.substr(at, end - at));
    at = run_end(text, end, true);
  }
  return out;
}

/// From the end; the first part keeps everything before the cuts.
inline List split_words_right(std::string_view text, std::int64_t limit) {
  List out;
  for (std::size_t end = run_begin(text, text.size(), true); end > 0;) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      add_part(out, text.substr(0, end));
      break;
    }
    const std::size_t begin = run_begin(text, end, false);
    add_part(out, text.substr(begin, end - begin));
    end = run_begin(text, begin, true);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace detail

/// split(), rsplit(): by white space without a separator; at most `limit` cuts unless negative.
inline List split(std::string_view text, const Value* separator, std::int64_t limit, bool right) {
  if (separator == nullptr || separator->is_none()) {
    spend_decoding(text.size());
    return right ? detail::split_words_right(text, limit) : detail::split_words(text, limit);
  }
  if (!separator->is_string()) raise("split: expected a string, got {}", separator->type_name());
  const std::string& mark = separator->text();
  if (mark.empty()) fail("split: empty separator");
  List out;
  if (!right) {
    std::size_t from = 0;
    for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
      const std::size_t found = find_text(text, mark, from);
      if (found == std::string_view::npos) break;
      detail::add_part(out, text.substr(from, found - from));
      from = found + mark.size();
    }
    detail::add_part(out, text.substr(from));
    return out;
  }
  const BackwardSearch search(text, mark);
  std::size_t end = text.size();
  for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
    const std::size_t found = search.find(end);
    if (found == std::string_view::npos) break;
    detail::add_part(out, text.substr(found + mark.size(), end - found - mark.size()));
    end = found;
  }
  detail::add_part(out, text.substr(0, end));
  std::reverse(out.begin(), out.end());
  return out;
}

inline std::string replace(std::string_view text, std::string_view old, std::string_view fresh,
                           std::int64_t limit) {
  std::string out;
  std::size_t from = 0;
  std::int64_t done = 0;
  if (old.empty()) {
    for (const auto c : characters(text)) {
      if (limit < 0 || done++ < limit) append(out, fresh);
      out += c;
    }
    if (limit < 0 || done < limit) append(out, fresh);
    return out;
  }
  while (limit < 0 || done++ < limit) {
    const std::size_t found = find_text(text, old, from);
    if (found == std::string_view::npos) break;
    spend(1);
    append(out, text.substr(from, found - from));
    append(out, fresh);
    from = found + old.size();
  }
  append(out, text.substr(from));
  return out;
}

}  // namespace posttrain::text::jinja
