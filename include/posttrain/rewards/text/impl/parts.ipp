// SPDX-License-Identifier: Apache-2.0
// Definitions of parts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <optional>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/text/boxes.hpp"
#include "posttrain/rewards/text/parts.hpp"

namespace posttrain::rewards {

POSTTRAIN_INLINE std::optional<std::string_view> after_think(std::string_view text) {
  constexpr std::string_view kEnd = "</think>";
  const std::size_t at = text.rfind(kEnd);
  if (at == text.npos) return std::nullopt;
  return text.substr(at + kEnd.size());
}

POSTTRAIN_INLINE LastBox last_box(std::string_view text) {
  const Boxes boxes = find_boxes(text);
  if (boxes.cut_off) return {.found = true, .terminated = false, .content = {}, .end = text.size()};
  if (boxes.closed.empty()) return {};
  LastBox last{true, true, trimmed(boxes.closed.back().content), boxes.closed.back().end};
  for (;;) {
    const Boxes within = find_boxes(last.content);
    if (within.closed.size() != 1 || within.closed[0].begin != 0 ||
        within.closed[0].end != last.content.size()) {
      return last;
    }
    last.content = trimmed(within.closed[0].content);
  }
}

POSTTRAIN_INLINE std::optional<std::string_view> last_fenced_block(std::string_view text) {
  constexpr std::string_view kFence = "```";
  std::optional<std::string_view> last;
  for (std::size_t at = text.find(kFence); at != text.npos; at = text.find(kFence, at)) {
    const std::size_t line = text.find('\n', at);
    if (line == text.npos) return last;
    // A fence stands at the beginning of a line.
    std::size_t end = text.find("\n```", line);
    if (end == text.npos) return last;
    last = text.substr(line + 1, end > line ? end - line - 1 : 0);
    at = end + 1 + kFence.size();
  }
  return last;
}

}  // namespace posttrain::rewards
