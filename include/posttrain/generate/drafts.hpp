// SPDX-License-Identifier: Apache-2.0
// Guesses at how a sample goes on, out of what was already written: where its last ids stood
// before, in itself or in a finished sample of its group, the ids that followed there (prompt
// lookup decoding, transformers' `prompt_lookup_num_tokens`; siblings' texts are ours).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain::detail {

/// What follows the latest place in `text`, before its last `ngram` ids, where those ids of `last`
/// stand; at most `most` ids, empty where there is no such place.
inline TokenIds continuation_in(std::span<const TokenId> text, std::span<const TokenId> last,
                                std::int64_t most) {
  if (text.size() <= last.size()) return {};
  const auto before = text.first(text.size() - 1);
  const auto found = std::find_end(before.begin(), before.end(), last.begin(), last.end());
  if (found == before.end()) return {};
  const auto behind = text.subspan(static_cast<std::size_t>(found - before.begin()) + last.size());
  const auto kept = behind.first(std::min(behind.size(), static_cast<std::size_t>(most)));
  return {kept.begin(), kept.end()};
}

/// A draft of at most `most` ids behind `own` (prompt and sampled ids): from itself, else from
/// `siblings`, the latest first.
inline TokenIds draft(std::span<const TokenId> own, const std::vector<TokenIds>& siblings,
                      std::int64_t ngram, std::int64_t most) {
  const auto size = static_cast<std::size_t>(ngram);
  if (most <= 0 || own.size() < size) return {};
  const auto last = own.last(size);
  if (TokenIds found = continuation_in(own, last, most); !found.empty()) return found;
  for (auto sibling = siblings.rbegin(); sibling != siblings.rend(); ++sibling) {
    if (TokenIds found = continuation_in(*sibling, last, most); !found.empty()) return found;
  }
  return {};
}

}  // namespace posttrain::detail
