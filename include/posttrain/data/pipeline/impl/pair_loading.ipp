// SPDX-License-Identifier: Apache-2.0
// Definitions of pair_loading.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

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

POSTTRAIN_INLINE LoadedItems<AnswerPair> load_pairs(const Source& source,
                                                    const LoadContext& context,
                                                    const PairKind& kind,
                                                    const CallOptions& calls) {
  const auto tokenize = [&](const text::ChatTokenizer& text, const PairRecord& record) {
    const Sequence chosen =
        detail::whole_sequence(text, record.prompt, record.chosen, record.inputs);
    const Sequence rejected =
        detail::whole_sequence(text, record.prompt, record.rejected, record.inputs);
    const auto differ = std::mismatch(chosen.ids.begin(), chosen.ids.end(), rejected.ids.begin(),
                                      rejected.ids.end());
    const auto common = static_cast<std::size_t>(differ.first - chosen.ids.begin());
    const std::size_t size =
        std::min({common, detail::first_scored(chosen), detail::first_scored(rejected)});
    return std::vector<AnswerPair>{{detail::prompt_of(chosen, size), detail::behind(chosen, size),
                                    detail::behind(rejected, size),
                                    static_cast<float>(record.margin.value_or(0.0))}};
  };
  return load_records<PairRecord>(
      kind, source, context, tokenize,
      fmt::format("pairs {} {}", static_cast<int>(kind.truncation), kind.share_prompts), calls);
}

POSTTRAIN_INLINE LoadedItems<Answer> load_answers(const Source& source, const LoadContext& context,
                                                  const AnswerKind& kind,
                                                  const CallOptions& calls) {
  const auto tokenize = [&](const text::ChatTokenizer& text, const AnswerRecord& record) {
    const Sequence whole =
        detail::whole_sequence(text, record.prompt, record.completion, record.inputs);
    const std::size_t size = detail::first_scored(whole);
    return std::vector<Answer>{
        {detail::prompt_of(whole, size), detail::behind(whole, size), record.desirable}};
  };
  return load_records<AnswerRecord>(
      kind, source, context, tokenize,
      fmt::format("answers {} {}", static_cast<int>(kind.truncation), kind.share_prompts), calls);
}

}  // namespace posttrain::data
