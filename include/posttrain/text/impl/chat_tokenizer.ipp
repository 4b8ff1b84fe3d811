// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_tokenizer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/text/message_weight.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE ChatTokenizer::ChatTokenizer(const ChatFiles& files)
    : renderer_(files, parse_object(files.tokenizer_config, "tokenizer_config.json")) {
  for (const auto& [text, file] : {std::pair(files.generation_config, "generation_config.json"),
                                   std::pair(files.config, "config.json")}) {
    for (const TokenId id : io::token_ids_under(parse_object(text, file), "eos_token_id", file)) {
      eos_ids_.insert(id);
    }
  }
  if (const auto id = tokenizer().id(eos_token()); !eos_token().empty() && id) {
    eos_ids_.insert(*id);
  }
  if (const auto id = tokenizer().id(terminator()); id && tokenizer().is_added(*id)) {
    eos_ids_.insert(*id);
  }
}

POSTTRAIN_INLINE void ChatTokenizer::set_variable(const std::string& name, Json value) {
  renderer_.set_variable(name, std::move(value));
  fields_ = RenderedFields();
  forms_ = TemplateForms();
}

POSTTRAIN_INLINE std::string ChatTokenizer::render(const Json& messages, const Json& tools,
                                                   bool add_generation_prompt) const {
  return renderer_.render(messages, tools, add_generation_prompt);
}

POSTTRAIN_INLINE ChatTemplate::Rendered ChatTokenizer::render_marked(const Json& messages,
                                                                     const Json& tools) const {
  return renderer_.render_marked(messages, tools);
}

POSTTRAIN_INLINE EncodedChat ChatTokenizer::encode(const Json& messages, const Json& tools,
                                                   bool add_generation_prompt) const {
  ChatTemplate::Rendered full{render(messages, tools, add_generation_prompt), {}};
  if (!add_generation_prompt) full = render_marked(messages, tools);
  std::vector<ChatSpans::Bytes> spans;
  std::size_t done = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!is_assistant(messages[i])) continue;
    const auto span = ChatSpans(renderer_).find_turn(messages, tools, i, full);
    if (!span || span->begin < done || span->begin >= span->end) continue;
    spans.push_back(*span);
    done = span->end;
  }
  return tokenize(std::move(full.text), spans);
}

POSTTRAIN_INLINE std::vector<Sequence> ChatTokenizer::training_sequences(
    const Conversation& conversation, Turns turns, bool unmask, std::size_t first) const {
  const Json& tools = conversation.inputs.tools;
  check_messages(conversation.messages);
  if (const Json own = conversation.inputs.variables(); !own.empty()) {
    Conversation rest(conversation.messages, {tools, nullptr, nullptr});
    rest.unmask = conversation.unmask;
    return with_variables(own).training_sequences(rest, turns, unmask, first);
  }
  const auto adapted = forms_.adapted(renderer_, conversation.messages, tools, parse_arguments_);
  const Json& messages = adapted ? *adapted : conversation.messages;
  fields_.check(renderer_, messages, tools, renderer_.variable("documents"));
  unmask = unmask || conversation.unmask;
  std::vector<std::size_t> assistants;
  for (std::size_t i = first; i < messages.size(); ++i) {
    if (is_assistant(messages[i]) && own_weight(messages[i]).value_or(true))
      assistants.push_back(i);
  }
  std::vector<Sequence> sequences;
  if (turns == Turns::all) {
    sequences.push_back(all_turns(messages, tools, assistants, first, unmask));
  } else {
    for (std::size_t k = turns == Turns::last && !assistants.empty() ? assistants.size() - 1 : 0;
         k < assistants.size(); ++k) {
      const std::size_t from = turns == Turns::each && k > 0 ? assistants[k - 1] + 1 : first;
      sequences.push_back(one_turn(messages, tools, assistants[k], from, unmask));
    }
  }
  std::int64_t scored = 0;
  for (const Sequence& sequence : sequences) scored += sequence.counted();
  if (scored == 0) {
    raise(
        "the sample trains no token: {} messages, {} of them by the assistant; hint: give it an "
        "assistant message, or \"unmask\": true",
        messages.size(), assistants.size());
  }
  return sequences;
}

template <class Use>
std::invoke_result_t<const Use&, const ChatTokenizer&, const Json&, const Json&>
ChatTokenizer::as_inference(const Conversation& conversation, const Use& use) const {
  const Json& tools = conversation.inputs.tools;
  check_messages(conversation.messages);
  if (const Json own = conversation.inputs.variables(); !own.empty()) {
    return with_variables(own).as_inference(
        Conversation(conversation.messages, {tools, nullptr, nullptr}), use);
  }
  const auto adapted = forms_.adapted(renderer_, conversation.messages, tools, parse_arguments_);
  const Json& messages = adapted ? *adapted : conversation.messages;
  fields_.check(renderer_, messages, tools, renderer_.variable("documents"));
  return use(*this, messages, tools);
}

POSTTRAIN_INLINE TokenIds ChatTokenizer::prompt_ids(const Conversation& conversation) const {
  return as_inference(conversation,
                      [](const ChatTokenizer& text, const Json& messages, const Json& tools) {
                        return text.encode(messages, tools, true).ids;
                      });
}

POSTTRAIN_INLINE std::string ChatTokenizer::prompt_text(const Conversation& conversation,
                                                        bool add_generation_prompt) const {
  return as_inference(conversation,
                      [&](const ChatTokenizer& text, const Json& messages, const Json& tools) {
                        return text.render(messages, tools, add_generation_prompt);
                      });
}

POSTTRAIN_INLINE ChatTokenizer ChatTokenizer::with_variables(const Json& own) const {
  ChatTokenizer with_own = *this;
  with_own.renderer_ = renderer_.with_variables(own);
  return with_own;
}

POSTTRAIN_INLINE EncodedChat
ChatTokenizer::tokenize(std::string text, const std::vector<ChatSpans::Bytes>& spans) const {
  EncodedChat chat;
  std::size_t at = 0;
  const auto append = [&](std::size_t end) {
    if (end <= at) return;
    const std::string_view part = std::string_view(text).substr(at, end - at);
    const TokenIds ids =
        at == 0 ? tokenizer().encode(part)
                : tokenizer().encode_continuation(
                      part, chat.ids.empty() ? std::nullopt : std::optional(chat.ids.back()));
    chat.ids.insert(chat.ids.end(), ids.begin(), ids.end());
    at = end;
  };
  for (const ChatSpans::Bytes& span : spans) {
    append(span.begin);
    const auto begin = static_cast<std::int64_t>(chat.ids.size());
    append(span.end);
    chat.assistant_spans.push_back({begin, static_cast<std::int64_t>(chat.ids.size())});
  }
  append(text.size());
  if (const auto bos = tokenizer().id(bos_token()); bos && !bos_token().empty() &&
                                                    chat.ids.size() > 1 && chat.ids[0] == *bos &&
                                                    chat.ids[1] == *bos) {
    raise(
        "the rendered conversation starts with two {}; hint: the template already writes one, "
        "so no message may",
        bos_token());
  }
  chat.text = std::move(text);
  return chat;
}

POSTTRAIN_INLINE void ChatTokenizer::check_stops(const EncodedChat& chat, const Span& turn) const {
  if (turn.begin == turn.end) return;
  const TokenId last = chat.ids[static_cast<std::size_t>(turn.end - 1)];
  if (eos_ids_.contains(last)) return;
  raise(
      "an assistant's turn ends with {}, which does not stop generation, so nothing would teach "
      "the "
      "model to stop; hint: let the chat template write the tokenizer's eos_token ({}) behind "
      "every "
      "assistant's content, the last one's, too",
      io::shown(Json(tokenizer().token(last))), eos_token().empty() ? "it has none" : eos_token());
}

POSTTRAIN_INLINE Sequence ChatTokenizer::all_turns(const Json& messages, const Json& tools,
                                                   const std::vector<std::size_t>& assistants,
                                                   std::size_t first, bool unmask) const {
  const std::string rendered = render(messages, tools, false);
  std::string full = rendered;
  std::vector<ChatSpans::Bytes> spans;
  std::size_t done = 0;
  for (const std::size_t i : assistants) {
    const ChatSpans::Turn turn = ChatSpans(renderer_).last_turn(messages, tools, i);
    if (i + 1 == messages.size() && turn.text.starts_with(full)) full = turn.text;  // closed
    if (turn.span.begin < done ||
        full.compare(0, turn.span.end, turn.text, 0, turn.span.end) != 0) {
      raise(
          "message {}: the chat template renders this assistant turn differently once more "
          "messages follow (it drops reasoning, say), so one rendering cannot train all turns; "
          "hint: turns = each (a sample per assistant turn) or turns = last",
          i);
    }
    spans.push_back(turn.span);
    done = turn.span.end;
  }
  return sequence(
      full, spans,
      ChatSpans(renderer_).contents(messages, tools, first, messages.size(), rendered, unmask));
}

POSTTRAIN_INLINE Sequence ChatTokenizer::one_turn(const Json& messages, const Json& tools,
                                                  std::size_t i, std::size_t from,
                                                  bool unmask) const {
  ChatSpans::Turn turn = ChatSpans(renderer_).last_turn(messages, tools, i);
  const std::vector<ChatSpans::Bytes> others = ChatSpans(renderer_).contents(
      first_messages(messages, i + 1), tools, from, i, turn.text.substr(0, turn.rendered), unmask);
  turn.text.resize(turn.span.end);
  return sequence(turn.text, {turn.span}, others);
}

POSTTRAIN_INLINE Sequence
ChatTokenizer::sequence(const std::string& text, const std::vector<ChatSpans::Bytes>& spans,
                        const std::vector<ChatSpans::Bytes>& others) const {
  const EncodedChat chat = tokenize(text, spans);
  Sequence out;
  out.ids = chat.ids;
  out.weights.assign(chat.ids.size(), 0.0F);
  for (const Span& span : chat.assistant_spans) {
    check_stops(chat, span);
    std::fill(out.weights.begin() + span.begin, out.weights.begin() + span.end, 1.0F);
  }
  for (const ChatSpans::Bytes& place : others) {
    std::size_t begin = 0;  // of the stretch, in bytes and tokens
    std::size_t first_id = 0;
    std::size_t end = text.size();
    std::size_t last_id = chat.ids.size();
    for (std::size_t s = 0; s < spans.size(); ++s) {
      if (spans[s].end <= place.begin) {
        begin = spans[s].end;
        first_id = static_cast<std::size_t>(chat.assistant_spans[s].end);
      } else if (spans[s].begin >= place.end) {
        end = spans[s].begin;
        last_id = static_cast<std::size_t>(chat.assistant_spans[s].begin);
        break;
      }
    }
    const std::string_view view = text;
    const auto previous = first_id > 0 ? std::optional(chat.ids[first_id - 1]) : std::nullopt;
    const std::string_view before = view.substr(begin, place.begin - begin);
    const TokenIds head =
        begin == 0 ? tokenizer().encode(before) : tokenizer().encode_continuation(before, previous);
    const TokenIds tail = tokenizer().encode_continuation(view.substr(place.end, end - place.end));
    std::size_t from = first_id;
    while (from < last_id && from - first_id < head.size() &&
           chat.ids[from] == head[from - first_id]) {
      ++from;
    }
    std::size_t to = last_id;
    while (to > from && last_id - to < tail.size() &&
           chat.ids[to - 1] == tail[tail.size() - 1 - (last_id - to)]) {
      --to;
    }
    for (std::size_t t = from; t < to; ++t) out.weights[t] = 1.0F;
  }
  return out;
}

}  // namespace posttrain::text
