// SPDX-License-Identifier: Apache-2.0
// Searching texts in time linear in both, whatever they hold. std::string::find compares anew at
// every byte, which is the product of the sizes for 'aaa…' in 'aaa…'.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "posttrain/jinja/limits.hpp"

namespace posttrain::text::jinja {

namespace detail {
inline void spend_searching(std::size_t bytes) { spend(bytes / 16); }
}  // namespace detail

/// The first occurrence of `part` at or behind `from`, or npos. Pays for what it reads.
inline std::size_t find_text(std::string_view text, std::string_view part, std::size_t from = 0) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  detail::spend_searching(part.size());
  const std::string_view rest = text.substr(from);
  // Two-way string matching in glibc and musl.
  const void* found = ::memmem(rest.data(), rest.size(), part.data(), part.size());
  if (found == nullptr) {
    detail::spend_searching(rest.size());
    return std::string_view::npos;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
  detail::spend_searching(at - from);
  return at;
}

/// Occurrences of a part from the end of a text on. Keeps views of both.
class BackwardSearch {
 public:
  BackwardSearch(std::string_view text, std::string_view part) : text_(text), part_(part) {
    if (part.size() <= kShort) return;  // comparing anew at every byte is no loss
    detail::spend_searching(text.size() + part.size());
    text_backward_.assign(text.rbegin(), text.rend());
    part_backward_.assign(part.rbegin(), part.rend());
  }

  /// The last occurrence that ends at or before `end`, or npos.
  std::size_t find(std::size_t end) const {
    if (end > text_.size()) end = text_.size();
    if (end < part_.size()) return std::string_view::npos;
    if (part_.size() <= kShort) {
      const std::size_t found = text_.substr(0, end).rfind(part_);
      spend_decoding(end - (found == std::string_view::npos ? 0 : found));
      return found;
    }
    const std::size_t found = find_text(text_backward_, part_backward_, text_.size() - end);
    if (found == std::string_view::npos) return found;
    return text_.size() - found - part_.size();
  }

 private:
  static constexpr std::size_t kShort = 16;

  std::string_view text_, part_;
  std::string text_backward_, part_backward_;  // of a part that is not short
};

}  // namespace posttrain::text::jinja
