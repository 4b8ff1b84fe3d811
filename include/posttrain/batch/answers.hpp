// SPDX-License-Identifier: Apache-2.0
// Single answers with a verdict, desirable or not: a micro-batch whose sequence i is answer i.
//
// Answers to the same prompt are children of one prompt segment, so that it is read once for them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/batch/answer_kind.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

struct AnswerBatch : TokenBatch {
  Tensor desirable;  // [answers] bool
  // Every prompt with an answer to another one: what KTO estimates its KL from. Never trained on.
  TokenBatch mismatched;

  /// The number of answers.
  std::int64_t items() const { return static_cast<std::int64_t>(offsets.size()) - 1; }

  /// The predictions [begin, end); as in TokenBatch, answers are not meaningful in a slice.
  AnswerBatch slice(std::int64_t begin, std::int64_t end) const {
    AnswerBatch part = *this;
    static_cast<TokenBatch&>(part) = TokenBatch::slice(begin, end);
    return part;
  }

  AnswerBatch to(at::Device device) const;
};

/// An answer, and what stands in its place for `AnswerBatch::mismatched`.
struct MatchedAnswer {
  const Answer* answer = nullptr;
  const Sequence* other = nullptr;  // an answer to another prompt
};

/// Answers to one prompt come one after another, in the order of their first one.
AnswerBatch pack_answers(std::span<const MatchedAnswer> answers, bool share_prompts = true);

/// For each answer of a step one that was given to another prompt: the nearest before it in the
/// order of the data, which is that of their places in memory, cyclically; its neighbour where all
/// prompts are the same. The choice depends on which answers a step has, not on how they are split
/// into micro-batches. (TRL takes the one before, whatever its prompt, within a preprocessing
/// batch.)
std::vector<const Answer*> mismatched(std::vector<const Answer*> step);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/answers.ipp"
#endif
