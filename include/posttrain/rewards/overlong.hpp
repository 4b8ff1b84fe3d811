// SPDX-License-Identifier: Apache-2.0
// A soft penalty for long samples (DAPO, arXiv 2503.14476, equation 13). With T sampled tokens, L
// the longest that is allowed and C the buffer before it:
//
//   0  where T ≤ L − C,    (L − C − T) / C  up to T = L,    −1  beyond
//
// T is a count of ids, the one that ended the sample included. TRL: get_soft_overlong_punishment.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct Overlong {
  std::int64_t max_length = 20480;  // L, tokens
  std::int64_t buffer = 4096;       // C, tokens: where the penalty grows

  constexpr void validate() const {
    if (buffer < 1) fail("posttrain: Overlong.buffer must be at least 1");
    if (max_length < buffer) fail("posttrain: Overlong.max_length must be at least its buffer");
  }

  Verdict operator()(const Sample& sample) const {
    if (sample.ids.empty() && !sample.completion.empty()) {
      return Verdict::not_applicable("the sample has no ids to count");
    }
    const std::int64_t length = sample.sampled_tokens();
    const std::int64_t beyond = length - (max_length - buffer);
    const double value = beyond <= 0 ? 0.0
                         : length <= max_length
                             ? -static_cast<double>(beyond) / static_cast<double>(buffer)
                             : -1.0;
    return Verdict::of(value, fmt::format("{}", length), beyond <= 0 ? "short enough" : "long");
  }
};

}  // namespace posttrain
