// SPDX-License-Identifier: Apache-2.0
// The part of a completion that a verifier reads: what follows the thoughts, the last box, the
// last fenced block. Each takes one pass over the text, whatever its length.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "posttrain/unicode/utf8.hpp"

namespace posttrain::rewards {

/// Without white space (Unicode's) at both ends.
inline std::string_view trimmed(std::string_view text) {
  text = text.substr(0, text::trimmed_length(text));
  return text.substr(text::leading_whitespace(text));
}

/// What follows the last `</think>`; nothing where there is none: thoughts that never end hold no
/// answer.
std::optional<std::string_view> after_think(std::string_view text);

/// What a verifier with an option `after_think` reads: all of the text, or what follows the
/// thoughts.
inline std::optional<std::string_view> judged_part(std::string_view text, bool behind_thoughts) {
  return behind_thoughts ? after_think(text) : std::optional(text);
}

/// The reason of a verdict where that part is missing.
inline constexpr const char* kNoEndOfThoughts = "no </think>";

/// What stands in the last box (text/boxes.hpp), for an answer that is one word or number: of boxes
/// that hold nothing but another the innermost counts.
struct LastBox {
  bool found = false;       // a box begins
  bool terminated = false;  // and ends
  std::string_view content{};
  std::size_t end = 0;  // in bytes of the text
};
LastBox last_box(std::string_view text);

/// The lines between the last pair of fences (```), without the language behind the first; nothing
/// where there is no pair.
std::optional<std::string_view> last_fenced_block(std::string_view text);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/text/impl/parts.ipp"
#endif
