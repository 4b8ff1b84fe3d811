// SPDX-License-Identifier: Apache-2.0
// Definitions of step_loading.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/step_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"

namespace posttrain::data {

namespace detail {

struct StepKind {
  using Item = SteppedSolution;

  static std::int64_t tokens(const SteppedSolution& solution) { return solution.tokens(); }
  static std::int64_t length(const SteppedSolution& solution) { return solution.tokens(); }
  static std::int64_t counted(const SteppedSolution& solution) {
    return static_cast<std::int64_t>(solution.steps.size());
  }
  static void hash(ContentHash& hash, const SteppedSolution& solution) {
    add_content(hash, solution);
  }
  bool truncate(SteppedSolution& solution, const LoadContext& context) const {
    return data::truncate(solution, context.max_seq_len);
  }
};

/// One step of all tokens, with the last label: its reward stands where the last step's stood.
inline void join_steps(SteppedSolution& solution) {
  TokenIds all;
  for (const TokenIds& step : solution.steps) all.insert(all.end(), step.begin(), step.end());
  solution.steps = {std::move(all)};
  solution.labels = {solution.labels.back()};
}

}  // namespace detail

POSTTRAIN_INLINE SteppedSolution stepped_solution(const text::ChatTokenizer& text,
                                                  const SteppedRecord& record,
                                                  std::string_view separator) {
  SteppedSolution solution;
  solution.prompt = prompt_ids(text, record.prompt, record.inputs);
  TokenIds all = solution.prompt;
  for (const std::string& step : record.steps) {
    const std::size_t begin = all.size();
    for (const std::string& part : {step, std::string(separator)}) {
      const TokenIds ids = continuation_ids(text, part, all);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    solution.steps.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end());
    if (solution.steps.back().empty()) {
      raise("expected completions[{}] to give a token, got none", solution.steps.size() - 1);
    }
  }
  solution.labels = record.labels;
  return solution;
}

POSTTRAIN_INLINE LoadedSteps load_steps(const SourceOptions& options, const LoadContext& context,
                                        std::string_view separator, bool last_step_only) {
  LoadedSteps data = load_records<LoadedSteps, SteppedRecord>(
      detail::StepKind{}, options, context, [&](const SteppedRecord& record) {
        return stepped_solution(*context.text, record, separator);
      });
  if (last_step_only) {
    for (SteppedSolution& solution : data.train) {
      data.report.scored -= detail::StepKind::counted(solution) - 1;
      detail::join_steps(solution);
    }
  }
  return data;
}

POSTTRAIN_INLINE bool truncate(SteppedSolution& solution, std::int64_t max_seq_len) {
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

}  // namespace posttrain::data
