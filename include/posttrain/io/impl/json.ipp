// SPDX-License-Identifier: Apache-2.0
// Definitions of json.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/impl/json_builder.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

namespace detail {

POSTTRAIN_INLINE std::optional<std::string> with_marked_numbers(std::string_view text) {
  if (text.find("NaN") == text.npos && text.find("Infinity") == text.npos) return std::nullopt;
  std::string marked;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      i = text.find_first_of("\"\\", i + 1);
      while (i < text.size() && text[i] == '\\') i = text.find_first_of("\"\\", i + 2);
      if (i >= text.size()) break;  // an open string: the parser says so
      continue;
    }
    for (const std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
      if (!text.substr(i).starts_with(name)) continue;
      marked.append(text, copied, i - copied).append("\"").append(kNumberMark);
      marked.append(name).append("\"");
      copied = i + name.size();
      i = copied - 1;
      break;
    }
  }
  if (copied == 0) return std::nullopt;
  return marked.append(text, copied);
}

POSTTRAIN_INLINE std::string parse_problem(std::string_view text, std::size_t position,
                                           std::string_view library_message) {
  const bool ends = position > text.size();
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  const std::size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  std::string problem =
      fmt::format("line {}, column {}: ", 1 + std::count(before.begin(), before.end(), '\n'),
                  std::max<std::size_t>(1, before.size() - line_start));
  if (library_message.find("ill-formed UTF-8") != library_message.npos) {
    return problem + "the text is not UTF-8";
  }
  if (library_message.find("number overflow") != library_message.npos) {
    return problem + "a number that a double cannot hold";
  }
  if (ends || before.empty()) return problem + "the text ends too early";
  std::size_t begin = before.size() - 1;  // of the character, which may have several bytes
  while (begin > 0 && (static_cast<unsigned char>(before[begin]) & 0xC0U) == 0x80U) --begin;
  problem += "unexpected " + one_line(before.substr(begin));
  if (before.back() == '\'') problem += "; hint: JSON's strings stand in double quotes";
  return problem;
}

[[noreturn]] POSTTRAIN_INLINE void raise_expected(std::string_view where, std::string_view name,
                                                  std::string_view expected,
                                                  const std::string& got) {
  raise("{}: expected {} to be {}, got {}", where, name, expected, got);
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<Json> try_parse_json(std::string_view text, std::string& problem) {
  return try_parse_json_as<Json>(text, problem);
}

POSTTRAIN_INLINE Json parse_json(std::string_view text, std::string_view where) {
  std::string problem;
  std::optional<Json> value = try_parse_json(text, problem);
  if (!value) raise("{}: {}", where, problem);
  return *std::move(value);
}

POSTTRAIN_INLINE Json parse_json_without_duplicates(std::string_view text, std::string_view where) {
  std::string problem;
  std::optional<Json> value = try_parse_json_as<Json>(text, problem, /*unique_keys=*/true);
  if (!value) raise("{}: {}", where, problem);
  return *std::move(value);
}

}  // namespace posttrain::io
