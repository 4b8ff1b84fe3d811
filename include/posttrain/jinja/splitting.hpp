// SPDX-License-Identifier: Apache-2.0
// Python's strip, split, splitlines and replace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/value.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// strip(), lstrip(), rstrip(): white space, or any of `set`.
inline std::string strip(std::string_view text, const Value* set, bool left, bool right) {
  const bool blank = set == nullptr || set->is_none() || set->is_undefined();
  if (!blank && !set->is_string()) raise("strip: expected a string, got {}", set->type_name());
  const std::u32string wanted = [&] {
    std::u32string out;
    if (!blank) {
      for (const auto c : characters(set->text())) out += decode_utf8(c, 0).code;
    }
    return out;
  }();
  const auto drop = [&](char32_t c) {
    return blank ? is_python_space(c) : wanted.find(c) != std::u32string::npos;
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
  return std::string(text.substr(begin, end - begin));
}

inline std::vector<std::string> split_lines(std::string_view text, bool keep_ends = false) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const char32_t c = point.code;
    const bool end = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                     c == 0x2028 || c == 0x2029;
    if (!end) {
      line += text.substr(i, point.size);
      i += point.size;
      if (i >= text.size()) lines.push_back(line);
      continue;
    }
    const std::size_t mark = i;
    i += point.size;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    if (keep_ends) line += text.substr(mark, i - mark);
    lines.push_back(std::move(line));
    line.clear();
  }
  return lines;
}

inline List split(std::string_view text, const Value* separator, std::int64_t limit, bool right) {
  spend(text.size() / 16);
  List out;
  if (separator == nullptr || separator->is_none()) {
    std::vector<std::pair<std::size_t, std::size_t>> words;
    for (std::size_t i = 0; i < text.size();) {
      while (i < text.size()) {
        const CodePoint point = decode_utf8(text, i);
        if (!is_python_space(point.code)) break;
        i += point.size;
      }
      std::size_t end = i;
      while (end < text.size()) {
        const CodePoint point = decode_utf8(text, end);
        if (is_python_space(point.code)) break;
        end += point.size;
      }
      if (end > i) words.emplace_back(i, end);
      i = end;
    }
    const auto count = static_cast<std::int64_t>(words.size());
    const std::int64_t cuts = limit < 0 ? count : std::min(limit, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [begin, end] = words[static_cast<std::size_t>(i)];
      if (right && i < count - cuts) {
        // the first part keeps everything up to the last word before the cuts
        const std::size_t stop = words[static_cast<std::size_t>(count - cuts - 1)].second;
        out.emplace_back(text.substr(0, stop));
        i = count - cuts - 1;
      } else if (!right && i == cuts) {
        out.emplace_back(text.substr(begin));
        break;
      } else {
        out.emplace_back(text.substr(begin, end - begin));
      }
    }
    return out;
  }
  if (!separator->is_string()) raise("split: expected a string, got {}", separator->type_name());
  const std::string& mark = separator->text();
  if (mark.empty()) fail("split: empty separator");
  if (!right) {
    std::size_t from = 0;
    for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
      const std::size_t found = text.find(mark, from);
      if (found == std::string_view::npos) break;
      out.emplace_back(text.substr(from, found - from));
      from = found + mark.size();
    }
    out.emplace_back(text.substr(from));
    return out;
  }
  std::size_t end = text.size();
  for (std::int64_t n = 0; limit < 0 || n < limit; ++n) {
    if (end < mark.size()) break;
    const std::size_t found = text.substr(0, end).rfind(mark);
    if (found == std::string_view::npos) break;
    out.emplace_back(text.substr(found + mark.size(), end - found - mark.size()));
    end = found;
  }
  out.emplace_back(text.substr(0, end));
  std::reverse(out.begin(), out.end());
  return out;
}

inline std::string replace(std::string_view text, std::string_view old, std::string_view fresh,
                           std::int64_t limit) {
  check_text(text.size());
  std::string out;
  std::size_t from = 0;
  std::int64_t done = 0;
  if (old.empty()) {
    for (const auto c : characters(text)) {
      if (limit < 0 || done++ < limit) out += fresh;
      out += c;
      check_text(out.size());
    }
    if (limit < 0 || done < limit) out += fresh;
    return out;
  }
  while (limit < 0 || done++ < limit) {
    const std::size_t found = text.find(old, from);
    if (found == std::string_view::npos) break;
    out += text.substr(from, found - from);
    out += fresh;
    check_text(out.size());
    from = found + old.size();
  }
  out += text.substr(from);
  return out;
}

}  // namespace posttrain::text::jinja
