// SPDX-License-Identifier: Apache-2.0
// Definitions of pattern.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/pattern.hpp"
#include "posttrain/rewards/text/parts.hpp"
#include "posttrain/unicode/limited_regex.hpp"

namespace posttrain {

namespace detail {

inline text::LimitedRegex compiled(const Pattern& pattern) {
  const std::uint32_t options = (pattern.ignore_case ? PCRE2_CASELESS : 0U) |
                                (pattern.dot_all ? PCRE2_DOTALL : 0U) |
                                (pattern.multi_line ? PCRE2_MULTILINE : 0U) |
                                (pattern.whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0U);
  return text::LimitedRegex(pattern.pattern, options,
                            {.steps = pattern.match_limit,
                             .depth = pattern.depth_limit,
                             .memory_kib = pattern.heap_limit_kib});
}

}  // namespace detail

POSTTRAIN_INLINE void Pattern::validate() const {
  if (pattern.empty()) fail("posttrain: Pattern.pattern must not be empty");
  for (const std::int64_t limit : {match_limit, depth_limit, heap_limit_kib}) {
    if (limit < 1 || limit > std::numeric_limits<std::uint32_t>::max()) {
      fail("posttrain: Pattern's limits must be at least 1 and below 2^32");
    }
  }
  const text::LimitedRegex regex = detail::compiled(*this);
  if (group < -1 || group > static_cast<int>(regex.groups())) {
    raise("expected Pattern.group from -1 to {}, the pattern's groups, got {}", regex.groups(),
          group);
  }
}

POSTTRAIN_INLINE Verdict Pattern::operator()(const Sample& sample) const {
  if (group >= 0 && sample.answer.empty()) {
    return Verdict::not_applicable("the record has no answer");
  }
  const text::LimitedRegex regex = detail::compiled(*this);
  if (group > static_cast<int>(regex.groups())) validate();
  const std::string repaired = text::repair_utf8(sample.completion);
  const std::string_view text = whole ? rewards::trimmed(repaired) : std::string_view(repaired);
  std::optional<text::LimitedRegex::Match> match = regex.find(text);
  if (!match) return Verdict::of(0.0, "", "no match");
  const auto shown = [&](std::size_t index) {
    const auto& span = match->at(index);
    return span ? std::string(text.substr(span->begin, span->end - span->begin)) : std::string();
  };
  if (group < 0) return Verdict::of(1.0, shown(0), "a match");
  // The last of several matches; behind an empty one the search goes on a character later.
  for (std::size_t from = 0; !whole;) {
    const std::size_t end = match->front()->end;
    if (end > from || match->front()->begin > from) {
      from = std::max(end, from);
    } else if (from < text.size()) {
      from += text::decode_utf8(text, from).size;
    }
    if (from >= text.size()) break;
    std::optional<text::LimitedRegex::Match> later = regex.find(text, from);
    if (!later) break;
    match = std::move(later);
  }
  std::string parsed = shown(static_cast<std::size_t>(group));
  const bool right = rewards::trimmed(parsed) == rewards::trimmed(sample.answer);
  return Verdict::of(right ? 1.0 : 0.0, std::move(parsed),
                     right ? "the group is the answer" : "another text");
}

}  // namespace posttrain
