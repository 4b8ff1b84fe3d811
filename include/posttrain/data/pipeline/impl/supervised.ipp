// SPDX-License-Identifier: Apache-2.0
// Definitions of supervised.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/supervised.hpp"

namespace posttrain::data {

namespace detail {

inline std::optional<TokenId> eos_id(const text::ChatTokenizer& text) {
  if (text.eos_token().empty()) return std::nullopt;
  return text.tokenizer().id(text.eos_token());
}

/// Ids of a prompt with what the tokenizer puts before a text; what it puts behind one is not for
/// an open prompt.
inline TokenIds text_prompt_ids(const text::ChatTokenizer& text, const std::string& prompt) {
  const TokenIds plain = text.tokenizer().encode(prompt);
  const TokenIds dressed = text.tokenizer().encode(prompt, /*add_special_tokens=*/true);
  if (plain.empty()) {
    const bool begins = !dressed.empty() && dressed.front() != eos_id(text);
    return begins ? TokenIds{dressed.front()} : TokenIds{};
  }
  const auto found = std::search(dressed.begin(), dressed.end(), plain.begin(), plain.end());
  TokenIds ids(dressed.begin(), found);
  ids.insert(ids.end(), plain.begin(), plain.end());
  return ids;
}

inline Sequence text_sequence(const text::ChatTokenizer& text, const std::string& prompt,
                              const std::string& completion) {
  const std::optional<TokenId> eos = eos_id(text);
  if (!eos) {
    fail(
        "a text completion ends with the end-of-sequence token, which the tokenizer's files do not "
        "name; hint: set eos_token in tokenizer_config.json");
  }
  Sequence sequence;
  sequence.ids = text_prompt_ids(text, prompt);
  sequence.weights.assign(sequence.ids.size(), 0.0F);
  const TokenIds answer = continuation_ids(text, completion, sequence.ids);
  sequence.ids.insert(sequence.ids.end(), answer.begin(), answer.end());
  sequence.ids.push_back(*eos);
  sequence.weights.resize(sequence.ids.size(), 1.0F);
  return sequence;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<Sequence> supervised_sequences(const text::ChatTokenizer& text,
                                                            const SupervisedRecord& record,
                                                            text::Turns turns, bool unmask) {
  if (record.completion.is_text()) {
    return {detail::text_sequence(text, record.prompt.text, record.completion.text)};
  }
  text::Conversation whole(Json::array(), record.inputs);
  for (const Passage* passage : {&record.prompt, &record.completion}) {
    for (const Json& message : passage->messages) whole.messages.push_back(message);
  }
  return text.training_sequences(whole, turns, unmask || record.unmask,
                                 record.prompt.messages.size());
}

POSTTRAIN_INLINE TokenIds continuation_ids(const text::ChatTokenizer& text, const std::string& more,
                                           const TokenIds& before) {
  return text.tokenizer().encode_continuation(
      more, before.empty() ? std::nullopt : std::optional(before.back()));
}

POSTTRAIN_INLINE TokenIds prompt_ids(const text::ChatTokenizer& text, const Passage& prompt,
                                     const TemplateInputs& inputs) {
  if (prompt.is_text()) return detail::text_prompt_ids(text, prompt.text);
  return text.prompt_ids(text::Conversation(prompt.messages, inputs));
}

}  // namespace posttrain::data
