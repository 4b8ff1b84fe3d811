// SPDX-License-Identifier: Apache-2.0
// Where texts of a prompt and its answers are cut to a length.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// The end that is cut where prompt and answer together are longer than `max_seq_len` and
/// `Options::truncate` asks to cut instead of dropping (TRL: truncation_mode).
///
/// `keep_start` cuts the end of each answer; a prompt that leaves no room is dropped and counted.
/// `keep_end` cuts the start of the prompt, by as much as the longer answer needs; an answer that
/// leaves no token of the prompt is dropped and counted. TRL's keep_end cuts each answer's copy of
/// the prompt by itself and may cut into an answer.
enum class Truncation { keep_start, keep_end };

/// False if nothing of an answer or of the prompt would be left.
inline bool truncate_answers(TokenIds& prompt, std::initializer_list<Sequence*> answers,
                             std::int64_t max_seq_len, Truncation truncation) {
  const auto limit = static_cast<std::size_t>(max_seq_len);
  if (truncation == Truncation::keep_start) {
    if (prompt.size() >= limit) return false;
    for (Sequence* answer : answers) {
      answer->ids.resize(std::min(answer->ids.size(), limit - prompt.size()));
      answer->weights.resize(answer->ids.size());
    }
    return true;
  }
  std::size_t longest = 0;
  for (const Sequence* answer : answers) longest = std::max(longest, answer->ids.size());
  if (longest >= limit) return false;
  const std::size_t kept = std::min(prompt.size(), limit - longest);
  prompt.erase(prompt.begin(), prompt.end() - static_cast<std::ptrdiff_t>(kept));
  return true;
}

}  // namespace posttrain
