// SPDX-License-Identifier: Apache-2.0
// Definitions of supervised.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>

#include "posttrain/core/compiled.hpp"
#include "posttrain/data/supervised.hpp"

namespace posttrain::data {

namespace detail {

inline Sequence text_sequence(const text::ChatTokenizer& text, const std::string& prompt,
                              const std::string& completion) {
  const text::Tokenizer& tokenizer = text.tokenizer();
  const std::optional<TokenId> eos = tokenizer.id(text.eos_token());
  if (text.eos_token().empty() || !eos) {
    fail(
        "a text completion ends with the end-of-sequence token, which the tokenizer's files do not "
        "name; hint: set eos_token in tokenizer_config.json");
  }
  // What the tokenizer puts before a text; what it puts behind one is not for an open prompt.
  const TokenIds plain = tokenizer.encode(prompt);
  const TokenIds dressed = tokenizer.encode(prompt, /*add_special_tokens=*/true);
  const auto found = std::search(dressed.begin(), dressed.end(), plain.begin(), plain.end());
  Sequence sequence;
  if (!plain.empty()) sequence.ids.assign(dressed.begin(), found);
  if (plain.empty() && !dressed.empty() && dressed.front() != *eos) {
    sequence.ids.push_back(dressed.front());
  }
  sequence.ids.insert(sequence.ids.end(), plain.begin(), plain.end());
  sequence.weights.assign(sequence.ids.size(), 0.0F);
  const TokenIds answer = tokenizer.encode_continuation(
      completion, sequence.ids.empty() ? std::nullopt : std::optional(sequence.ids.back()));
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
  Json sample{{"messages", record.prompt.messages}};
  Json& messages = sample["messages"];
  if (messages.is_null()) messages = Json::array();
  const std::size_t first = messages.size();
  for (const Json& message : record.completion.messages) messages.push_back(message);
  const TemplateInputs& inputs = record.inputs;
  if (!inputs.tools.is_null()) sample["tools"] = inputs.tools;
  if (!inputs.documents.is_null()) sample["documents"] = inputs.documents;
  if (!inputs.chat_template_kwargs.is_null()) {
    sample["chat_template_kwargs"] = inputs.chat_template_kwargs;
  }
  return text.training_sequences(sample, turns, unmask || record.unmask, first);
}

}  // namespace posttrain::data
