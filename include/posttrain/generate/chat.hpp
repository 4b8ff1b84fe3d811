// SPDX-License-Identifier: Apache-2.0
// A model's answer to a conversation: its chat template, `generate`, and the text of what came.
//
//   const hub::PretrainedDecoder model("folder");
//   fmt::print("{}", ask(model, Frozen{}.attach(model), "How much is 2 + 2?"));
//
// The prompt is the conversation's rendering with the generation prompt, cut into the tokens that
// training puts before an answer. The answer ends at any of the tokenizer's
// end-of-sequence ids.
#pragma once

#include <concepts>
#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/generate/generate.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain {

/// A decoder that brings the tokenizer of its folder (hub::PretrainedDecoder); null: it has none.
template <class Model>
concept BringsText = std::derived_from<Model, models::Decoder> && requires(const Model& model) {
  { model.text() } -> std::convertible_to<const text::ChatTokenizer*>;
};

template <BringsText Model>
const text::ChatTokenizer& tokenizer_of(const Model& model) {
  if (model.text() == nullptr) {
    fail("expected a model with a tokenizer; hint: its folder has no tokenizer.json");
  }
  return *model.text();
}

/// The text of a model's answer to a conversation that ends with a user's message: without special
/// tokens, without spaces and line breaks at its ends. `conversation` is an array of messages, or a
/// sample {"messages": […], "tools"?: […], …} (`text::Conversation::from`).
template <class Gate>
std::string answer(const models::Decoder& model, const Gate& gate,
                   const text::ChatTokenizer& tokenizer, const Json& conversation,
                   const GenerateOptions& options = {}) {
  const TokenIds prompt =
      tokenizer.prompt_ids(conversation.is_array() ? text::Conversation(conversation)
                                                   : text::Conversation::from(conversation));
  const TokenIds ids = generate(model, gate, prompt, tokenizer.eos_ids(), options);
  std::string text = tokenizer.tokenizer().decode(ids, /*skip_special_tokens=*/true);
  text.erase(0, text.find_first_not_of(" \n"));
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

/// With the model's own tokenizer.
template <BringsText Model, class Gate>
std::string answer(const Model& model, const Gate& gate, const Json& conversation,
                   const GenerateOptions& options = {}) {
  return answer(model, gate, tokenizer_of(model), conversation, options);
}

/// The answer to one question, a conversation of its own.
template <BringsText Model, class Gate>
std::string ask(const Model& model, const Gate& gate, const std::string& question,
                const GenerateOptions& options = {}) {
  return answer(model, gate, Json{{{"role", "user"}, {"content", question}}}, options);
}

}  // namespace posttrain
