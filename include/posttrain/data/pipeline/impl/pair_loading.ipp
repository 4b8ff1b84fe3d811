// SPDX-License-Identifier: Apache-2.0
// Definitions of preference_loading.hpp: part of it, or of the compiled library
// (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

inline void cut(Sequence& sequence, std::size_t size) {
  sequence.ids.resize(std::min(sequence.ids.size(), size));
  sequence.weights.resize(sequence.ids.size());
}

inline bool truncate_answers(TokenIds& prompt, std::initializer_list<Sequence*> answers,
                             std::int64_t max_seq_len, Truncation truncation) {
  const auto limit = static_cast<std::size_t>(max_seq_len);
  if (truncation == Truncation::keep_start) {
    if (prompt.size() >= limit) return false;
    for (Sequence* answer : answers) cut(*answer, limit - prompt.size());
    return true;
  }
  std::size_t longest = 0;
  for (const Sequence* answer : answers) longest = std::max(longest, answer->ids.size());
  if (longest >= limit) return false;
  const std::size_t kept = std::min(prompt.size(), limit - longest);
  prompt.erase(prompt.begin(), prompt.end() - static_cast<std::ptrdiff_t>(kept));
  return true;
}

struct PairKind {
  using Item = AnswerPair;
  Truncation truncation = Truncation::keep_start;
  bool share_prompts = true;

  std::int64_t tokens(const AnswerPair& pair) const { return pair.tokens(share_prompts); }
  static std::int64_t length(const AnswerPair& pair) {
    return static_cast<std::int64_t>(pair.prompt.size() +
                                     std::max(pair.chosen.ids.size(), pair.rejected.ids.size()));
  }
  /// A pair of which one answer has nothing to score compares nothing.
  static std::int64_t counted(const AnswerPair& pair) {
    const std::int64_t chosen = counted_tokens(pair.chosen), rejected = counted_tokens(pair.rejected);
    return chosen == 0 || rejected == 0 ? 0 : chosen + rejected;
  }
  static void hash(ContentHash& hash, const AnswerPair& pair) { add_content(hash, pair); }
  bool truncate(AnswerPair& pair, const LoadContext& context) const {
    return data::truncate(pair, context.max_seq_len, truncation);
  }
};

struct AnswerKind {
  using Item = Answer;
  Truncation truncation = Truncation::keep_start;

  static std::int64_t tokens(const Answer& answer) { return answer.tokens(); }
  static std::int64_t length(const Answer& answer) { return answer.tokens(); }
  static std::int64_t counted(const Answer& answer) { return counted_tokens(answer.answer); }
  static void hash(ContentHash& hash, const Answer& answer) { add_content(hash, answer); }
  bool truncate(Answer& answer, const LoadContext& context) const {
    return data::truncate(answer, context.max_seq_len, truncation);
  }
};

/// A prompt with one completion as supervised training sees it.
inline Sequence whole_sequence(const text::ChatTokenizer& text, const Passage& prompt,
                               const Passage& completion, const TemplateInputs& inputs) {
  std::size_t turns = 0;
  if (!completion.is_text()) {
    for (const Json& message : completion.messages)
      turns += message.value("role", "") == "assistant";
  }
  // A template that rewrites earlier turns is no obstacle to a completion of one turn.
  const text::Turns which = turns > 1 ? text::Turns::all : text::Turns::last;
  return supervised_sequences(text, {prompt, completion, inputs, false}, which).at(0);
}

inline std::size_t first_scored(const Sequence& sequence) {
  const auto at = std::find_if(sequence.weights.begin(), sequence.weights.end(),
                               [](float weight) { return weight != 0.0F; });
  return static_cast<std::size_t>(at - sequence.weights.begin());
}

inline Sequence behind(const Sequence& sequence, std::size_t begin) {
  const auto from = static_cast<std::ptrdiff_t>(begin);
  return {{sequence.ids.begin() + from, sequence.ids.end()},
          {sequence.weights.begin() + from, sequence.weights.end()},
          -1};
}

inline TokenIds prompt_of(const Sequence& sequence, std::size_t size) {
  if (size == 0) {
    fail(
        "expected a prompt of at least one token, got none; hint: the tokenizer puts nothing "
        "before a text, so an empty prompt leaves nothing to predict an answer's first token from");
  }
  return {sequence.ids.begin(), sequence.ids.begin() + static_cast<std::ptrdiff_t>(size)};
}

}  // namespace detail

POSTTRAIN_INLINE bool truncate(AnswerPair& pair, std::int64_t max_seq_len, Truncation truncation) {
  return detail::truncate_answers(pair.prompt, {&pair.chosen, &pair.rejected}, max_seq_len,
                                  truncation);
}

POSTTRAIN_INLINE bool truncate(Answer& answer, std::int64_t max_seq_len, Truncation truncation) {
  return detail::truncate_answers(answer.prompt, {&answer.answer}, max_seq_len, truncation);
}

POSTTRAIN_INLINE LoadedPairs load_preferences(const SourceOptions& options,
                                              const LoadContext& context, Truncation truncation,
                                              bool share_prompts) {
  return load_records<LoadedPairs, PairRecord>(
      detail::PairKind{truncation, share_prompts}, options, context, [&](const PairRecord& record) {
        const Sequence chosen =
            detail::whole_sequence(*context.text, record.prompt, record.chosen, record.inputs);
        const Sequence rejected =
            detail::whole_sequence(*context.text, record.prompt, record.rejected, record.inputs);
        const auto differ = std::mismatch(chosen.ids.begin(), chosen.ids.end(),
                                          rejected.ids.begin(), rejected.ids.end());
        const auto common = static_cast<std::size_t>(differ.first - chosen.ids.begin());
        const std::size_t size =
            std::min({common, detail::first_scored(chosen), detail::first_scored(rejected)});
        return AnswerPair{detail::prompt_of(chosen, size), detail::behind(chosen, size),
                          detail::behind(rejected, size),
                          static_cast<float>(record.margin.value_or(0.0))};
      });
}

POSTTRAIN_INLINE LoadedAnswers load_answers(const SourceOptions& options,
                                            const LoadContext& context, Truncation truncation) {
  return load_records<LoadedAnswers, AnswerRecord>(
      detail::AnswerKind{truncation}, options, context, [&](const AnswerRecord& record) {
        const Sequence whole =
            detail::whole_sequence(*context.text, record.prompt, record.completion, record.inputs);
        const std::size_t size = detail::first_scored(whole);
        return Answer{detail::prompt_of(whole, size), detail::behind(whole, size),
                      record.desirable};
      });
}

}  // namespace posttrain::data
