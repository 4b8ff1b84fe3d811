// SPDX-License-Identifier: Apache-2.0
// A model's answer to a conversation: its chat template, a sample, and the text of it.
//
//   const hub::PretrainedDecoder model("folder");
//   fmt::print("{}", ask(model, Frozen{}.attach(model), "How much is 2 + 2?"));
//
// The prompt is the conversation's rendering with the generation prompt, cut into the tokens that
// training puts before an answer. The answer ends at any of the tokenizer's end-of-sequence ids.
// Answers are greedy unless another `Sampling` is given.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

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

namespace detail {

inline TokenIds prompt_of(const text::ChatTokenizer& tokenizer, const Json& conversation) {
  return tokenizer.prompt_ids(conversation.is_array() ? text::Conversation(conversation)
                                                      : text::Conversation::from(conversation));
}

/// Without spaces and line breaks at its ends.
inline std::string answer_text(std::string text) {
  text.erase(0, text.find_first_not_of(" \n"));
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

}  // namespace detail

/// The text of a model's answer to a conversation that ends with a user's message: without special
/// tokens, without spaces and line breaks at its ends. `conversation` is an array of messages, or a
/// sample {"messages": […], "tools"?: […], …} (`text::Conversation::from`).
template <class Gate>
std::string answer(const models::Decoder& model, const Gate& gate,
                   const text::ChatTokenizer& tokenizer, const Json& conversation,
                   const Sampling& sampling = {.temperature = 0.0}) {
  return detail::answer_text(generate(model, gate, detail::prompt_of(tokenizer, conversation),
                                      tokenizer.eos_ids(), sampling, &tokenizer.tokenizer())
                                 .text);
}

/// With the model's own tokenizer.
template <BringsText Model, class Gate>
std::string answer(const Model& model, const Gate& gate, const Json& conversation,
                   const Sampling& sampling = {.temperature = 0.0}) {
  return answer(model, gate, tokenizer_of(model), conversation, sampling);
}

/// The answer to one question, a conversation of its own.
template <BringsText Model, class Gate>
std::string ask(const Model& model, const Gate& gate, const std::string& question,
                const Sampling& sampling = {.temperature = 0.0}) {
  return answer(model, gate, Json{{{"role", "user"}, {"content", question}}}, sampling);
}

/// A conversation of several turns. What was read of it stays in memory, so that a turn reads only
/// what is new, as far as the template leaves earlier turns as they are.
template <class G>
class Chat {
 public:
  /// `messages`: what stands before the first turn, such as a system message.
  Chat(const models::Decoder& model, const G& gate, const text::ChatTokenizer& tokenizer,
       Json messages = Json::array(),
       const GeneratorOptions& options = {.idle_cache_bytes = std::int64_t{1} << 30})
      : tokenizer_(&tokenizer),
        messages_(std::move(messages)),
        generator_(model, gate, tokenizer.eos_ids(), options, &tokenizer.tokenizer()) {}

  /// The answer to a user's turn; both become part of the conversation. `on_text` gets it piece by
  /// piece while it is written.
  std::string say(const std::string& turn, const Sampling& sampling = {.temperature = 0.0},
                  const std::function<void(std::string_view)>& on_text = {}) {
    Json messages = messages_;
    messages.push_back({{"role", "user"}, {"content", turn}});
    generator_.on_token(on_text ? [&](const TokenEvent& event) { on_text(event.text); }
                                : std::function<void(const TokenEvent&)>());
    const auto samples = generator_.run(
        {{.prompt = detail::prompt_of(*tokenizer_, messages), .sampling = sampling}});
    generator_.on_token({});
    std::string text = detail::answer_text(samples[0][0].text);
    messages.push_back({{"role", "assistant"}, {"content", text}});
    messages_ = std::move(messages);
    return text;
  }

  const Json& messages() const { return messages_; }
  GeneratorCounts counts() const { return generator_.counts(); }

 private:
  const text::ChatTokenizer* tokenizer_;
  Json messages_;
  Generator<G> generator_;
};

}  // namespace posttrain
