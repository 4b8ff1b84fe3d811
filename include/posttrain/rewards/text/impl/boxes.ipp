// SPDX-License-Identifier: Apache-2.0
// Definitions of boxes.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/text/boxes.hpp"
#include "posttrain/rewards/text/characters.hpp"

namespace posttrain::rewards {

namespace detail {

inline constexpr std::size_t kNoBox = static_cast<std::size_t>(-1);

/// Behind "\boxed" or "\fbox" where one stands at `i`; otherwise `i`.
inline std::size_t box_command_end(std::string_view text, std::size_t i) {
  for (const std::string_view name : {"\\boxed", "\\fbox"}) {
    if (!text.substr(i).starts_with(name)) continue;
    const std::size_t end = i + name.size();
    const bool letter = end < text.size() && ((text[end] >= 'a' && text[end] <= 'z') ||
                                              (text[end] >= 'A' && text[end] <= 'Z'));
    if (!letter) return end;
  }
  return i;
}

/// The end of a number that stands at `i`; `i` where there is none.
inline std::size_t bare_number_end(std::string_view text, std::size_t i) {
  std::size_t end = i;
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
  const std::size_t digits = end;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') ||
                               ((text[end] == '.' || text[end] == ',') && end > digits))) {
    ++end;
  }
  while (end > digits && (text[end - 1] == '.' || text[end - 1] == ',')) --end;
  return end > digits ? end : i;
}

/// Whether between two boxes nothing stands but what separates elements of a list.
inline bool only_separates(std::string_view text) {
  static constexpr auto kSeparators = std::to_array<std::string_view>({"\\text{ and }",
                                                                       "\\text{and}",
                                                                       "\\text{ or }",
                                                                       "\\text{or}",
                                                                       "\\quad",
                                                                       "\\qquad",
                                                                       "\\ ",
                                                                       "\\,",
                                                                       "\\;",
                                                                       "\\(",
                                                                       "\\)",
                                                                       "\\[",
                                                                       "\\]",
                                                                       "and",
                                                                       "or",
                                                                       ",",
                                                                       ";",
                                                                       "$",
                                                                       "&",
                                                                       "."});
  while (!text.empty()) {
    if (is_blank(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    const auto* found = std::find_if(kSeparators.begin(), kSeparators.end(),
                                     [&](std::string_view each) { return text.starts_with(each); });
    if (found == kSeparators.end()) return false;
    text.remove_prefix(found->size());
  }
  return true;
}

}  // namespace detail

POSTTRAIN_INLINE Boxes find_boxes(std::string_view text) {
  struct Opened {
    std::size_t begin;    // of the command; kNoBox: a brace of another kind
    std::size_t content;  // behind the brace
  };
  std::vector<Opened> open;
  std::vector<Box> all;  // closed ones in the order in which they close
  std::size_t last_begin = detail::kNoBox;
  bool last_closed = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '{') {
      open.push_back({detail::kNoBox, ++i});
    } else if (c == '}') {
      ++i;
      if (open.empty()) continue;
      const Opened opened = open.back();
      open.pop_back();
      if (opened.begin == detail::kNoBox) continue;
      const std::string_view content = text.substr(opened.content, i - 1 - opened.content);
      if (opened.begin == last_begin) last_closed = true;
      if (!std::all_of(content.begin(), content.end(), detail::is_blank)) {
        all.push_back({opened.begin, i, content});
      }
    } else if (c == '\\') {
      std::size_t end = detail::box_command_end(text, i);
      if (end == i) {  // \{, \\ and others; but "\\boxed" was escaped twice
        const bool twice = detail::box_command_end(text, i + 1) != i + 1;
        i += twice ? 1 : 2;
        continue;
      }
      const std::size_t begin = i;
      while (end < text.size() && detail::is_blank(text[end])) ++end;
      if (end < text.size() && text[end] == '{') {
        open.push_back({begin, end + 1});
        last_begin = begin;
        last_closed = false;
        i = end + 1;
      } else {
        const std::size_t stop = detail::bare_number_end(text, end);
        if (stop > end) {
          all.push_back({begin, stop, text.substr(end, stop - end)});
          last_closed = true;
        }
        i = stop;
      }
    } else {
      ++i;
    }
  }
  Boxes result;
  result.cut_off = !last_closed;
  // A box that closes later and began earlier holds those before it.
  for (const Box& box : all) {
    while (!result.closed.empty() && result.closed.back().begin > box.begin) {
      result.closed.pop_back();
    }
    result.closed.push_back(box);
  }
  return result;
}

POSTTRAIN_INLINE std::string boxed_answer(std::string_view text, const Boxes& boxes, bool join) {
  if (boxes.cut_off || boxes.closed.empty()) return "";
  std::size_t first = boxes.closed.size() - 1;
  while (
      join && first > 0 &&
      detail::only_separates(text.substr(
          boxes.closed[first - 1].end, boxes.closed[first].begin - boxes.closed[first - 1].end))) {
    --first;
  }
  std::string answer;
  for (std::size_t i = first; i < boxes.closed.size(); ++i) {
    if (!answer.empty()) answer += ", ";
    answer += boxes.closed[i].content;
  }
  std::string_view rest = text.substr(boxes.closed.back().end);
  while (!rest.empty() && (detail::is_blank(rest.front()) || rest.front() == '$')) {
    rest.remove_prefix(1);
  }
  if (rest.starts_with("\\)")) rest.remove_prefix(2);
  while (!rest.empty() && detail::is_blank(rest.front())) rest.remove_prefix(1);
  const bool percent = rest.starts_with("\\%") || rest.starts_with("%") ||
                       rest.starts_with("percent") || rest.starts_with("pct");
  if (percent && answer.find('%') == std::string::npos) answer += "\\%";
  return answer;
}

}  // namespace posttrain::rewards
