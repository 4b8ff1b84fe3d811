// SPDX-License-Identifier: Apache-2.0
// Definitions of format_tags.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "posttrain/rewards/text/parts.hpp"

namespace posttrain {

namespace detail {

/// How often `part` stands in `text`, at most 2.
inline int at_most_twice(std::string_view text, std::string_view part) {
  const std::size_t first = text.find(part);
  if (first == text.npos) return 0;
  return text.find(part, first + part.size()) == text.npos ? 1 : 2;
}

}  // namespace detail

POSTTRAIN_INLINE void FormatTags::validate() const {
  const auto is_name = [](std::string_view name) {
    return name.find_first_of("<>/ \t\r\n") == name.npos;
  };
  if (think_tag.empty() || !is_name(think_tag) || !is_name(answer_tag)) {
    raise(
        "expected FormatTags' tags as names, got '{}' and '{}'; hint: \"think\" stands for <think> "
        "and </think>",
        think_tag, answer_tag);
  }
  if (think_tag == answer_tag) {
    fail("posttrain: FormatTags.think_tag and answer_tag must differ");
  }
}

POSTTRAIN_INLINE Verdict FormatTags::operator()(const Sample& sample) const {
  const std::string open = "<" + think_tag + ">", close = "</" + think_tag + ">";
  std::string_view text = sample.completion;
  const auto refused = [](std::string reason) { return Verdict::of(0.0, "", std::move(reason)); };
  if (!opened) {
    if (!text.starts_with(open)) return refused(fmt::format("does not begin with {}", open));
    text.remove_prefix(open.size());
  }
  if (text.find(open) != text.npos) return refused(fmt::format("more than one {}", open));
  const int closed = detail::at_most_twice(text, close);
  if (closed != 1)
    return refused(fmt::format("{} {}", closed == 0 ? "no" : "more than one", close));
  const std::size_t end = text.find(close);
  const std::string_view thoughts = text.substr(0, end);
  std::string_view answer = text.substr(end + close.size());
  if (!answer_tag.empty()) {
    const std::string begin_tag = "<" + answer_tag + ">", end_tag = "</" + answer_tag + ">";
    for (const std::string& tag : {begin_tag, end_tag}) {
      const int count = detail::at_most_twice(text, tag);
      if (count != 1)
        return refused(fmt::format("{} {}", count == 0 ? "no" : "more than one", tag));
    }
    answer = rewards::trimmed(answer);
    if (!answer.starts_with(begin_tag)) {
      return refused(fmt::format("text before {}", begin_tag));
    }
    if (!answer.ends_with(end_tag)) return refused(fmt::format("text behind {}", end_tag));
    answer.remove_prefix(begin_tag.size());
    answer.remove_suffix(end_tag.size());
  }
  answer = rewards::trimmed(answer);
  if (non_empty && (answer.empty() || rewards::trimmed(thoughts).empty())) {
    return refused(answer.empty() ? "an empty answer" : "empty thoughts");
  }
  return Verdict::of(1.0, std::string(answer), "thoughts, then an answer");
}

}  // namespace posttrain
