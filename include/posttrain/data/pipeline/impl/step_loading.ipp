// SPDX-License-Identifier: Apache-2.0
// Definitions of step_loading.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/step_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"

namespace posttrain::data {

namespace detail {

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

POSTTRAIN_INLINE LoadedItems<SteppedSolution> load_steps(const Source& source,
                                                         const LoadContext& context,
                                                         std::string_view separator,
                                                         bool last_step_only,
                                                         const CallOptions& calls) {
  const auto tokenize = [&](const text::ChatTokenizer& text, const SteppedRecord& record) {
    return std::vector<SteppedSolution>{stepped_solution(text, record, separator)};
  };
  auto data = load_records<SteppedRecord>(StepKind{}, source, context, tokenize,
                                          fmt::format("steps {}", separator), calls);
  if (last_step_only) {
    for (SteppedSolution& solution : data.train) {
      data.report.scored -= StepKind::counted(solution) - 1;
      detail::join_steps(solution);
    }
  }
  return data;
}

}  // namespace posttrain::data
