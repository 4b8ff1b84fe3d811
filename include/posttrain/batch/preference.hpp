// SPDX-License-Identifier: Apache-2.0
// Tokenised answers with a judgement, on the host: pairs of which one is preferred, and single
// answers that are desirable or not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// How many tokens of an answer are scored: all with a weight, since its prompt precedes the first.
inline std::int64_t counted_tokens(const Sequence& answer) {
  return static_cast<std::int64_t>(answer.weights.size()) -
         std::count(answer.weights.begin(), answer.weights.end(), 0.0F);
}

/// One tokenised pair. Weights as in `Sequence`: of predicting each token of an answer.
struct AnswerPair {
  TokenIds prompt;  // at least one token
  Sequence chosen, rejected;
  float margin = 0.0F;       // by which the chosen one is better, where the data say so
  std::int64_t sample = -1;  // index in the data source
  // log p under a reference of what is scored, of the chosen answer and then of the rejected one;
  // empty: not known.
  std::vector<float> ref_logps{};

  std::int64_t counted() const { return counted_tokens(chosen) + counted_tokens(rejected); }

  /// Tokens that a micro-batch reads for it.
  std::int64_t tokens(bool share_prompt) const {
    const auto prompts = static_cast<std::int64_t>(prompt.size()) * (share_prompt ? 1 : 2);
    return prompts + static_cast<std::int64_t>(chosen.ids.size() + rejected.ids.size());
  }
};

/// One tokenised answer with its verdict.
struct Answer {
  TokenIds prompt;  // at least one token
  Sequence answer;
  bool desirable = true;
  std::int64_t sample = -1;  // index in the data source

  std::int64_t tokens() const {
    return static_cast<std::int64_t>(prompt.size() + answer.ids.size());
  }
};

/// What an answer to a prompt trains, for telling equal from different.
inline void add_content(ContentHash& hash, const TokenIds& prompt, const Sequence& answer) {
  hash.add(std::as_bytes(std::span(prompt)));
  hash.add(std::as_bytes(std::span(answer.ids)));
  hash.add(std::as_bytes(std::span(answer.weights)));
}
inline void add_content(ContentHash& hash, const AnswerPair& pair) {
  add_content(hash, pair.prompt, pair.chosen);
  add_content(hash, pair.prompt, pair.rejected);
}
inline void add_content(ContentHash& hash, const Answer& answer) {
  hash.add(static_cast<std::uint64_t>(answer.desirable));
  add_content(hash, answer.prompt, answer.answer);
}

}  // namespace posttrain
