// SPDX-License-Identifier: Apache-2.0
// A tokenised solution of which each step has a judgement, on the host.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// A solution in steps, each of which is right or not.
struct SteppedSolution {
  TokenIds prompt;              // may be empty
  std::vector<TokenIds> steps;  // of at least one token each
  std::vector<float> labels;    // one for each step: 1 right, 0 wrong, or how likely it is right
  std::int64_t sample = -1;     // index in the data source

  std::int64_t tokens() const {
    auto total = static_cast<std::int64_t>(prompt.size());
    for (const TokenIds& step : steps) total += static_cast<std::int64_t>(step.size());
    return total;
  }
};

/// What a solution trains, for telling equal from different.
inline void add_content(ContentHash& hash, const SteppedSolution& solution) {
  const auto add = [&](const TokenIds& ids) {
    hash.add(static_cast<std::uint64_t>(ids.size()));
    hash.add(std::as_bytes(std::span(ids)));
  };
  add(solution.prompt);
  for (const TokenIds& step : solution.steps) add(step);
  hash.add(std::as_bytes(std::span(solution.labels)));
}

}  // namespace posttrain
