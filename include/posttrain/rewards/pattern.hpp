// SPDX-License-Identifier: Apache-2.0
// 1 where the completion matches a regular expression (PCRE2's syntax, Unicode), else 0.
//
//   Pattern{.pattern = R"(\d{4}-\d\d-\d\d)"}                          the whole completion
//   Pattern{.pattern = R"(Answer: (\w+))", .whole = false, .group = 1}  group 1 is the answer
//
// A completion that makes the expression backtrack beyond its limits is an error, which the pool
// reports and counts, not a 0: neither text nor expression has been judged. TRL's and R1's format
// rewards are such expressions with DOTALL, the default here.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct Pattern {
  std::string pattern{};
  bool whole = true;         // all of the completion, spaces at its ends apart; false: a part of it
  bool ignore_case = false;  // flag i
  bool dot_all = true;       // flag s: the point matches line breaks
  bool multi_line = false;   // flag m: ^ and $ match at every line
  int group = -1;  // of the last match: its text has to be the record's answer; −1: none
  std::int64_t match_limit = 1'000'000;  // steps of one match (pcre2_set_match_limit)
  std::int64_t depth_limit = 10'000;     // of backtracking (pcre2_set_depth_limit)
  std::int64_t heap_limit_kib = 20'000;  // memory of one match (pcre2_set_heap_limit)

  /// A pattern that does not compile is an error with its place.
  void validate() const;

  Verdict operator()(const Sample& sample) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/pattern.ipp"
#endif
