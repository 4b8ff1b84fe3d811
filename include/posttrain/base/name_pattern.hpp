// SPDX-License-Identifier: Apache-2.0
// Patterns of tensor and module names: which matrices a parameter policy is about.
//
// A list of patterns is text with commas: "q_proj, v_proj", "layers.8-15", "mlp.*_proj". A pattern
// is a run of components between dots that must occur in the name; in a component `*` stands for
// any text, and `a-b` for a number from a to b. So "q_proj" selects that projection in every layer
// (PEFT's target_modules do the same by suffix), "layers.0-3" everything in the first four layers.
// No regular expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace posttrain {

namespace detail {

constexpr bool is_number(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

constexpr std::int64_t to_number(std::string_view digits) {
  std::int64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

constexpr bool matches_text(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && pattern.front() == text.front() &&
           matches_text(pattern.substr(1), text.substr(1));
  }
  for (std::size_t skip = 0; skip <= text.size(); ++skip) {
    if (matches_text(pattern.substr(1), text.substr(skip))) return true;
  }
  return false;
}

constexpr bool matches_component(std::string_view pattern, std::string_view text) {
  if (const std::size_t dash = pattern.find('-'); dash != std::string_view::npos) {
    const std::string_view first = pattern.substr(0, dash), last = pattern.substr(dash + 1);
    if (is_number(first) && is_number(last)) {
      return is_number(text) && to_number(first) <= to_number(text) &&
             to_number(text) <= to_number(last);
    }
  }
  return matches_text(pattern, text);
}

/// Cuts off and returns what precedes the first `separator`.
constexpr std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return head;
}

constexpr bool starts_with_pattern(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    if (name.empty()) return false;
    if (!matches_component(take_until(pattern, '.'), take_until(name, '.'))) return false;
  }
  return true;
}

constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace detail

/// Whether one pattern occurs in the name.
constexpr bool matches_pattern(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return false;
  for (std::string_view rest = name; !rest.empty(); detail::take_until(rest, '.')) {
    if (detail::starts_with_pattern(pattern, rest)) return true;
  }
  return false;
}

/// Whether any pattern of the list occurs in the name. An empty list matches nothing.
constexpr bool matches_any(std::string_view patterns, std::string_view name) {
  while (!patterns.empty()) {
    const std::string_view pattern = detail::trimmed(detail::take_until(patterns, ','));
    if (!pattern.empty() && matches_pattern(pattern, name)) return true;
  }
  return false;
}

/// The value of the first entry of "pattern=value, …" whose pattern occurs in the name.
constexpr std::optional<std::string_view> value_for(std::string_view entries,
                                                    std::string_view name) {
  while (!entries.empty()) {
    std::string_view entry = detail::trimmed(detail::take_until(entries, ','));
    const std::string_view pattern = detail::trimmed(detail::take_until(entry, '='));
    if (!pattern.empty() && matches_pattern(pattern, name)) return detail::trimmed(entry);
  }
  return std::nullopt;
}

}  // namespace posttrain
