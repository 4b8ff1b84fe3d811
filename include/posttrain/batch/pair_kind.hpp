// SPDX-License-Identifier: Apache-2.0
// Pairs of answers to one prompt as items (concepts/kind.hpp), for losses on pairs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/truncation.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

/// Tokens of an answer that are scored: all of non-zero weight, the first one included.
inline std::int64_t counted_tokens(const Sequence& answer) {
  return static_cast<std::int64_t>(answer.weights.size()) -
         std::count(answer.weights.begin(), answer.weights.end(), 0.0F);
}

struct AnswerPair {
  TokenIds prompt;  // at least one token
  Sequence chosen, rejected;
  float margin = 0.0F;       // by which the chosen one is better, where the data say so
  std::int64_t sample = -1;  // index in the data source
  // log p under a reference of what is scored, of the chosen answer and then of the rejected one;
  // empty: not known.
  std::vector<float> ref_logps{};
};

struct PairKind {
  using Item = AnswerPair;
  using Batch = PairBatch;
  static constexpr bool keeps_reference = true;

  Truncation truncation = Truncation::keep_start;
  bool share_prompts = true;  // false: the prompt stands before each answer

  std::int64_t tokens(const AnswerPair& pair) const {
    const auto prompts = static_cast<std::int64_t>(pair.prompt.size()) * (share_prompts ? 1 : 2);
    return prompts + static_cast<std::int64_t>(pair.chosen.ids.size() + pair.rejected.ids.size());
  }
  static std::int64_t length(const AnswerPair& pair) {
    return static_cast<std::int64_t>(pair.prompt.size() +
                                     std::max(pair.chosen.ids.size(), pair.rejected.ids.size()));
  }
  /// 0 unless both answers have something to score: the pair would compare nothing.
  static std::int64_t counted(const AnswerPair& pair) {
    const std::int64_t chosen = counted_tokens(pair.chosen),
                       rejected = counted_tokens(pair.rejected);
    return chosen == 0 || rejected == 0 ? 0 : chosen + rejected;
  }
  bool truncate(AnswerPair& pair, std::int64_t max_seq_len) const {
    return truncate_answers(pair.prompt, {&pair.chosen, &pair.rejected}, max_seq_len, truncation);
  }
  static std::vector<Sequence> parts(const AnswerPair& pair) {
    return {prompt_part(pair.prompt), pair.chosen, pair.rejected, {{0}, {pair.margin}, -1}};
  }
  static AnswerPair from_parts(std::vector<Sequence> parts) {
    return {std::move(parts.at(0).ids), std::move(parts.at(1)), std::move(parts.at(2)),
            parts.at(3).weights.at(0), parts.at(0).sample};
  }
  PairBatch pack(std::span<const AnswerPair* const> pairs) const;  // batch/pairs.hpp

  /// A text of which nothing is scored.
  static Sequence prompt_part(const TokenIds& ids) {
    return {ids, std::vector<float>(ids.size(), 0.0F), -1};
  }
};

/// Pairs with one reward for each answer, at its last token.
struct RewardKind : PairKind {
  using Batch = RewardBatch;
  static constexpr bool keeps_reference = false;

  RewardBatch pack(std::span<const AnswerPair* const> pairs) const;  // batch/rewards.hpp
};

}  // namespace posttrain
