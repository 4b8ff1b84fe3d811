// SPDX-License-Identifier: Apache-2.0
// Regular expressions of PCRE2 as they are written (Perl's syntax, Unicode), on texts that nobody
// has seen before: a match that needs too many steps, too deep a recursion or too much memory is an
// error instead of a program that hangs.
//
// The tokenizers' patterns, which are in another dialect and trusted, are regex.hpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/unicode/pcre2_code.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// What one match may cost.
struct RegexLimits {
  std::int64_t steps = 1'000'000;    // calls of PCRE2's internal match function
  std::int64_t depth = 10'000;       // of backtracking within it
  std::int64_t memory_kib = 20'000;  // of heap
};

class LimitedRegex {
 public:
  /// Bytes [begin, end) of the whole match (at 0) and of each group; none for a group that took no
  /// part.
  struct Span {
    std::size_t begin = 0, end = 0;
  };
  using Match = std::vector<std::optional<Span>>;

  /// `options` are PCRE2's, beside UTF and UCP. A bad pattern is an error.
  explicit LimitedRegex(std::string_view pattern, std::uint32_t options = 0,
                        const RegexLimits& limits = {})
      : code_(compile_pcre2(pattern, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | options,
                            pattern)),
        context_(pcre2_match_context_create(nullptr), &pcre2_match_context_free) {
    const auto limit = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
    pcre2_set_match_limit(context_.get(), limit(limits.steps));
    pcre2_set_depth_limit(context_.get(), limit(limits.depth));
    pcre2_set_heap_limit(context_.get(), limit(limits.memory_kib));
  }

  /// How many groups the pattern captures.
  std::size_t groups() const {
    std::uint32_t count = 0;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
  }

  /// The first match at or behind byte `from`. `text` must be valid UTF-8. A match beyond the
  /// limits is an error.
  std::optional<Match> find(std::string_view text, std::size_t from = 0) const {
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr), &pcre2_match_data_free);
    const int found =
        pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                    PCRE2_NO_UTF_CHECK, data.get(), context_.get());
    if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (found < 0) {
      raise("expected a pattern to match a text of {} bytes within its limits, reached that of {}",
            text.size(),
            found == PCRE2_ERROR_MATCHLIMIT   ? "steps"
            : found == PCRE2_ERROR_DEPTHLIMIT ? "depth"
                                              : "memory");
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    Match match;
    for (std::size_t i = 0; i < groups() + 1; ++i) {
      if (ends[2 * i] == PCRE2_UNSET) {
        match.emplace_back();
      } else {
        match.push_back(Span{ends[2 * i], ends[2 * i + 1]});
      }
    }
    return match;
  }

  bool matches(std::string_view text) const { return find(text).has_value(); }

 private:
  std::shared_ptr<pcre2_code> code_;
  std::shared_ptr<pcre2_match_context> context_;
};

}  // namespace posttrain::text
