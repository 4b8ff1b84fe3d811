// SPDX-License-Identifier: Apache-2.0
// Solutions in judged steps as items (concepts/kind.hpp), for process reward models.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

struct SteppedSolution {
  TokenIds prompt;              // may be empty
  std::vector<TokenIds> steps;  // of at least one token each
  std::vector<float> labels;    // one for each step: 1 right, 0 wrong, or how likely it is right
  std::int64_t sample = -1;     // index in the data source
};

struct StepKind {
  using Item = SteppedSolution;
  using Batch = StepRewardBatch;

  static std::int64_t tokens(const SteppedSolution& solution) {
    auto total = static_cast<std::int64_t>(solution.prompt.size());
    for (const TokenIds& step : solution.steps) total += static_cast<std::int64_t>(step.size());
    return total;
  }
  static std::int64_t length(const SteppedSolution& solution) { return tokens(solution); }
  static std::int64_t counted(const SteppedSolution& solution) {
    return static_cast<std::int64_t>(solution.steps.size());
  }
  /// Keeps the steps that end within `max_seq_len` tokens; false if there is none.
  static bool truncate(SteppedSolution& solution, std::int64_t max_seq_len) {
    auto tokens = static_cast<std::int64_t>(solution.prompt.size());
    std::size_t kept = 0;
    while (kept < solution.steps.size()) {
      tokens += static_cast<std::int64_t>(solution.steps[kept].size());
      if (tokens > max_seq_len) break;
      ++kept;
    }
    solution.steps.resize(kept);
    solution.labels.resize(kept);
    return kept > 0;
  }
  /// The prompt, then each step with its label as its tokens' weights.
  static std::vector<Sequence> parts(const SteppedSolution& solution) {
    std::vector<Sequence> all{PairKind::prompt_part(solution.prompt)};
    for (std::size_t i = 0; i < solution.steps.size(); ++i) {
      all.push_back({solution.steps[i],
                     std::vector<float>(solution.steps[i].size(), solution.labels.at(i)), -1});
    }
    return all;
  }
  static SteppedSolution from_parts(std::vector<Sequence> parts) {
    SteppedSolution solution{std::move(parts.at(0).ids), {}, {}, parts.at(0).sample};
    for (std::size_t i = 1; i < parts.size(); ++i) {
      solution.labels.push_back(parts[i].weights.at(0));
      solution.steps.push_back(std::move(parts[i].ids));
    }
    return solution;
  }
  static StepRewardBatch pack(
      std::span<const SteppedSolution* const> solutions);  // batch/steps.hpp
};

}  // namespace posttrain
