// SPDX-License-Identifier: Apache-2.0
// Cutting text at matches, with the five behaviours of `tokenizers`.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/fields.hpp"

namespace posttrain::text {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

inline SplitBehavior split_behavior(const Fields& fields) {
  const std::string name = fields.text("behavior", "Isolated");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  raise("{}: the split behavior '{}' is not supported", fields.where(), name);
}

/// Cuts a text of `size` bytes at the matches that `each_match(visit)` reports, and calls
/// `emit(begin, end)` for every part that is not empty. `invert` swaps matches and gaps.
template <class EachMatch, class Emit>
void split_by(std::size_t size, SplitBehavior behavior, bool invert, EachMatch&& each_match,
              Emit&& emit) {
  struct Part {
    std::size_t begin, end;
    bool match;
  };
  std::vector<Part> parts;
  std::size_t done = 0;
  each_match([&](std::size_t begin, std::size_t end) {
    if (done < begin) parts.push_back({done, begin, invert});
    parts.push_back({begin, end, !invert});  // an empty match is a border, too
    done = end;
  });
  if (done < size) parts.push_back({done, size, invert});

  if (behavior == SplitBehavior::kMergedWithNext) {
    // Seen from the right: a match joins what follows it, unless that is itself a match.
    std::vector<Part> joined;
    bool next_match = false;
    for (std::size_t i = parts.size(); i-- > 0;) {
      if (parts[i].match && !next_match && !joined.empty()) {
        joined.back().begin = parts[i].begin;
      } else {
        joined.push_back(parts[i]);
      }
      next_match = parts[i].match;
    }
    parts.assign(joined.rbegin(), joined.rend());
  } else if (behavior == SplitBehavior::kMergedWithPrevious ||
             behavior == SplitBehavior::kContiguous) {
    // A match joins what precedes it, unless that is itself a match; or like joins like.
    std::vector<Part> joined;
    bool previous_match = false;
    for (const Part& part : parts) {
      const bool joins = behavior == SplitBehavior::kContiguous ? part.match == previous_match
                                                                : part.match && !previous_match;
      if (joins && !joined.empty()) {
        joined.back().end = part.end;
      } else {
        joined.push_back(part);
      }
      previous_match = part.match;
    }
    parts = std::move(joined);
  }
  for (const Part& part : parts) {
    if (part.begin == part.end || (behavior == SplitBehavior::kRemoved && part.match)) continue;
    emit(part.begin, part.end);
  }
}

/// Cuts where the matches are the single characters that `test` accepts.
template <class Test, class Emit>
void split_characters(std::string_view text, SplitBehavior behavior, Test&& test, Emit&& emit) {
  split_by(
      text.size(), behavior, false,
      [&](auto&& visit) {
        for_each_character(text, [&](char32_t c, std::size_t begin, std::size_t size) {
          if (test(c)) visit(begin, begin + size);
        });
      },
      emit);
}

}  // namespace posttrain::text
