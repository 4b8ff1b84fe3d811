// SPDX-License-Identifier: Apache-2.0
// Single answers with a verdict as items (concepts/kind.hpp), for Kto and its kin.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/batch/truncation.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

struct Answer {
  TokenIds prompt;  // at least one token
  Sequence answer;
  bool desirable = true;
  std::int64_t sample = -1;  // index in the data source
};

struct AnswerKind {
  using Item = Answer;
  using Batch = AnswerBatch;

  Truncation truncation = Truncation::keep_start;
  bool share_prompts = true;  // false: the prompt stands before each answer to it

  static std::int64_t tokens(const Answer& answer) {
    return static_cast<std::int64_t>(answer.prompt.size() + answer.answer.ids.size());
  }
  static std::int64_t length(const Answer& answer) { return tokens(answer); }
  static std::int64_t counted(const Answer& answer) { return counted_tokens(answer.answer); }
  bool truncate(Answer& answer, std::int64_t max_seq_len) const {
    return truncate_answers(answer.prompt, {&answer.answer}, max_seq_len, truncation);
  }
  static std::vector<Sequence> parts(const Answer& answer) {
    return {PairKind::prompt_part(answer.prompt),
            answer.answer,
            {{0}, {answer.desirable ? 1.0F : 0.0F}, -1}};
  }
  static Answer from_parts(std::vector<Sequence> parts) {
    return {std::move(parts.at(0).ids), std::move(parts.at(1)), parts.at(2).weights.at(0) != 0.0F,
            parts.at(0).sample};
  }
  /// All micro-batches of a step: which answers are mismatched depends on the step's answers, not
  /// on the split (batch/answers.hpp).
  std::vector<AnswerBatch> batches(const std::vector<std::vector<const Answer*>>& packs) const;
};

}  // namespace posttrain
