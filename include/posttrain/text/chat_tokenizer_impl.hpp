// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_tokenizer.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE ChatTokenizer::ChatTokenizer(const ChatFiles& files)
    : tokenizer_(Tokenizer::from_json(files.tokenizer)) {
  const Json tokenizer_config = parse_object(files.tokenizer_config, "tokenizer_config.json");
  const Json generation = parse_object(files.generation_config, "generation_config.json");
  variables_ = special_tokens(tokenizer_config,
                              parse_object(files.special_tokens_map, "special_tokens_map.json"));
  templates_ = chat_templates(files.chat_template, tokenizer_config);
  add_eos_ids(generation, eos_ids_);
  add_eos_ids(parse_object(files.config, "config.json"), eos_ids_);
  if (const auto id = tokenizer_.id(eos_token()); !eos_token().empty() && id) {
    eos_ids_.insert(*id);
  }
  if (!templates_.empty()) terminator_ = derive_terminator();
  if (const auto id = tokenizer_.id(terminator_); id && tokenizer_.is_added(*id)) {
    eos_ids_.insert(*id);
  }
}

POSTTRAIN_INLINE std::string ChatTokenizer::bos_token() const {
  return variables_.value("bos_token", std::string());
}

POSTTRAIN_INLINE std::string ChatTokenizer::eos_token() const {
  return variables_.value("eos_token", std::string());
}

POSTTRAIN_INLINE void ChatTokenizer::set_variable(const std::string& name, Json value) {
  variables_[name] = std::move(value);
  if (!templates_.empty()) terminator_ = derive_terminator();
}

POSTTRAIN_INLINE std::string ChatTokenizer::render(const Json& messages, const Json& tools,
                                                   bool add_generation_prompt) const {
  return chosen(tools).render(messages, tools, add_generation_prompt, variables_);
}

POSTTRAIN_INLINE EncodedChat ChatTokenizer::encode(const Json& messages, const Json& tools,
                                                   bool add_generation_prompt) const {
  std::string text = render(messages, tools, add_generation_prompt);
  std::vector<Bytes> spans;
  std::size_t done = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!is_assistant(messages[i])) continue;
    const auto span = find_turn(messages, tools, i, text);
    if (!span || span->begin < done || span->begin >= span->end) continue;
    spans.push_back(*span);
    done = span->end;
  }
  return tokenize(std::move(text), spans);
}

POSTTRAIN_INLINE std::vector<Sequence> ChatTokenizer::training_sequences(const Json& sample,
                                                                         Turns turns,
                                                                         bool unmask) const {
  if (!sample.is_object() || !sample.contains("messages")) {
    fail(
        "expected a sample with \"messages\"; hint: {\"messages\": [{\"role\": …, \"content\": "
        "…}, …]}");
  }
  const Json& messages = sample.at("messages");
  check_messages(messages);
  const Json tools = sample.contains("tools") ? sample.at("tools") : Json(nullptr);
  if (const auto found = sample.find("unmask"); found != sample.end() && found->is_boolean()) {
    unmask = unmask || found->get<bool>();
  }
  std::vector<std::size_t> assistants;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (is_assistant(messages[i])) assistants.push_back(i);
  }
  std::vector<Sequence> sequences;
  if (turns == Turns::all) {
    sequences.push_back(all_turns(messages, tools, assistants, unmask));
  } else {
    for (std::size_t k = turns == Turns::last && !assistants.empty() ? assistants.size() - 1 : 0;
         k < assistants.size(); ++k) {
      const std::size_t from = turns == Turns::each && k > 0 ? assistants[k - 1] + 1 : 0;
      sequences.push_back(one_turn(messages, tools, assistants[k], from, unmask));
    }
  }
  std::int64_t scored = 0;
  for (const Sequence& sequence : sequences) scored += sequence.scored();
  if (scored == 0) {
    raise(
        "the sample trains no token: {} messages, {} of them by the assistant; hint: give it an "
        "assistant message, or \"unmask\": true",
        messages.size(), assistants.size());
  }
  return sequences;
}

POSTTRAIN_INLINE bool ChatTokenizer::is_assistant(const Json& message) {
  return role(message) == "assistant";
}

POSTTRAIN_INLINE std::string ChatTokenizer::role(const Json& message) {
  const auto found = message.is_object() ? message.find("role") : message.end();
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

POSTTRAIN_INLINE void ChatTokenizer::check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    fail("expected \"messages\" to be an array of at least one message");
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (role(messages[i]).empty()) raise("message {}: expected an object with a \"role\"", i);
  }
}

POSTTRAIN_INLINE Json ChatTokenizer::first(const Json& messages, std::size_t count) {
  Json out = Json::array();
  for (std::size_t i = 0; i < count; ++i) out.push_back(messages[i]);
  return out;
}

POSTTRAIN_INLINE std::size_t ChatTokenizer::common_prefix(std::string_view a, std::string_view b) {
  const std::size_t n = std::min(a.size(), b.size());
  std::size_t i = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + n, b.begin()).first - a.begin());
  const auto inside = [](std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (i > 0 && (inside(a, i) || inside(b, i))) --i;
  return i;
}

POSTTRAIN_INLINE const ChatTemplate& ChatTokenizer::chosen(const Json& tools) const {
  if (templates_.empty()) {
    fail("the model has no chat template; hint: put a chat_template.jinja into its folder");
  }
  const ChatTemplate* fallback = nullptr;
  for (const auto& [name, chat_template] : templates_) {
    if (name == "tool_use" && !tools.is_null()) return chat_template;
    if (name == "default") fallback = &chat_template;
  }
  if (fallback == nullptr) {
    fail("the model has several chat templates and none is called \"default\"");
  }
  return *fallback;
}

POSTTRAIN_INLINE std::string ChatTokenizer::derive_terminator() const {
  try {
    const Json user = {{"role", "user"}, {"content", "Hello"}};
    const Json assistant = {{"role", "assistant"}, {"content", kSentinel}};
    const auto behind_content = [&](const Json& messages) {
      const std::string text = render(messages, nullptr, false);
      const std::size_t content = text.rfind(kSentinel);
      return content == std::string::npos
                 ? std::string()
                 : text.substr(content + std::string_view(kSentinel).size());
    };
    std::string tail = behind_content(Json::array({user, assistant}));
    if (tail.empty()) return eos_token();
    try {
      tail.resize(common_prefix(tail, behind_content(Json::array({user, assistant, user}))));
    } catch (const Error&) {  // a template that wants other roles: the end alone must tell
    }
    if (const auto token = tokenizer_.last_added_token(tail)) {
      return tail.substr(token->first, token->second - token->first);
    }
    const std::string_view view = std::string_view(tail).substr(0, trimmed_length(tail));
    return std::string(view.empty() ? tail : view.substr(leading_whitespace(view)));
  } catch (const Error&) {
    return eos_token();
  }
}

POSTTRAIN_INLINE ChatTokenizer::Turn ChatTokenizer::last_turn(const Json& messages,
                                                              const Json& tools,
                                                              std::size_t i) const {
  Turn turn{render(first(messages, i + 1), tools, false), {}};
  turn.span.begin = turn_begin(messages, tools, i, turn.text);
  turn.span.end = turn_end(turn.text, turn.span.begin);
  return turn;
}

POSTTRAIN_INLINE std::size_t ChatTokenizer::turn_begin(const Json& messages, const Json& tools,
                                                       std::size_t i,
                                                       const std::string& text) const {
  // Where the rendering starts to depend on what the assistant said.
  const auto depends = [&] {
    Json other = first(messages, i);
    other.push_back({{"role", "assistant"}, {"content", kSentinel}});
    return common_prefix(text, render(other, tools, false));
  };
  if (i == 0) return depends();
  const Json before = first(messages, i);
  const std::string prompt = render(before, tools, true);
  if (text.starts_with(prompt)) return prompt.size();
  // The generation prompt holds more than the turn's header (an opened <think>): the header is
  // what both share, and it must hold some of the generation prompt.
  const std::size_t shared = common_prefix(text, prompt);
  std::size_t without = 0;
  try {
    without = common_prefix(prompt, render(before, tools, false));
  } catch (const Error&) {
  }
  if (shared <= without || without == prompt.size()) {
    raise(
        "message {}: the chat template renders the messages before it differently once it "
        "follows, so its prompt cannot be told; hint: use another chat template",
        i);
  }
  return std::min(shared, depends());
}

POSTTRAIN_INLINE std::size_t ChatTokenizer::turn_end(const std::string& text,
                                                     std::size_t begin) const {
  const std::string_view turn = std::string_view(text).substr(begin);
  if (!terminator_.empty() && trimmed_length(terminator_) > 0) {
    const std::size_t found = turn.rfind(terminator_);
    if (found != std::string_view::npos) return begin + found + terminator_.size();
  }
  const std::size_t trimmed = trimmed_length(turn);
  const auto token = tokenizer_.last_added_token(turn);
  return token && token->second == trimmed ? begin + trimmed : text.size();
}

POSTTRAIN_INLINE std::optional<ChatTokenizer::Bytes> ChatTokenizer::find_turn(
    const Json& messages, const Json& tools, std::size_t i, const std::string& full) const {
  try {
    const Turn turn = last_turn(messages, tools, i);
    if (full.compare(0, turn.span.end, turn.text, 0, turn.span.end) == 0) return turn.span;
    // Rewritten: the prompt may still stand, and content and terminator follow it.
    if (i == 0) return std::nullopt;
    const std::string prompt = render(first(messages, i), tools, true);
    if (!full.starts_with(prompt) || terminator_.empty()) return std::nullopt;
    std::size_t from = prompt.size();
    const auto content = messages[i].find("content");
    if (content != messages[i].end() && content->is_string()) {
      const auto& said = content->get_ref<const std::string&>();
      const std::size_t blank = leading_whitespace(said);
      const std::size_t size = trimmed_length(said);
      if (size > blank) {
        const std::size_t found = full.find(said.substr(blank, size - blank), from);
        if (found == std::string::npos) return std::nullopt;
        from = found + size - blank;
      }
    }
    const std::size_t end = full.find(terminator_, from);
    if (end == std::string::npos) return std::nullopt;
    return Bytes{prompt.size(), end + terminator_.size()};
  } catch (const Error&) {
    return std::nullopt;
  }
}

POSTTRAIN_INLINE EncodedChat ChatTokenizer::tokenize(std::string text,
                                                     const std::vector<Bytes>& spans) const {
  EncodedChat chat;
  std::size_t at = 0;
  const auto append = [&](std::size_t end) {
    if (end <= at) return;
    const std::string_view part = std::string_view(text).substr(at, end - at);
    const TokenIds ids =
        at == 0 ? tokenizer_.encode(part)
                : tokenizer_.encode_continuation(
                      part, chat.ids.empty() ? std::nullopt : std::optional(chat.ids.back()));
    chat.ids.insert(chat.ids.end(), ids.begin(), ids.end());
    at = end;
  };
  for (const Bytes& span : spans) {
    append(span.begin);
    const auto begin = static_cast<std::int64_t>(chat.ids.size());
    append(span.end);
    chat.assistant_spans.push_back({begin, static_cast<std::int64_t>(chat.ids.size())});
  }
  append(text.size());
  if (const auto bos = tokenizer_.id(bos_token()); bos && !bos_token().empty() &&
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

POSTTRAIN_INLINE Sequence ChatTokenizer::all_turns(const Json& messages, const Json& tools,
                                                   const std::vector<std::size_t>& assistants,
                                                   bool unmask) const {
  const std::string full = render(messages, tools, false);
  std::vector<Bytes> spans;
  std::size_t done = 0;
  for (const std::size_t i : assistants) {
    const Turn turn = last_turn(messages, tools, i);
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
  std::vector<Bytes> others;
  if (unmask) others = contents(messages, tools, 0, messages.size(), full);
  return sequence(full, spans, others);
}

POSTTRAIN_INLINE Sequence ChatTokenizer::one_turn(const Json& messages, const Json& tools,
                                                  std::size_t i, std::size_t from,
                                                  bool unmask) const {
  Turn turn = last_turn(messages, tools, i);
  std::vector<Bytes> others;
  if (unmask) others = contents(first(messages, i + 1), tools, from, i, turn.text);
  turn.text.resize(turn.span.end);
  return sequence(turn.text, {turn.span}, others);
}

POSTTRAIN_INLINE std::vector<ChatTokenizer::Bytes> ChatTokenizer::contents(
    const Json& messages, const Json& tools, std::size_t from, std::size_t to,
    const std::string& full) const {
  std::vector<Bytes> found;
  for (std::size_t j = from; j < to; ++j) {
    const std::string who = role(messages[j]);
    if (who == "system" || who == "developer" || who == "assistant") continue;
    const auto content = messages[j].find("content");
    if (content == messages[j].end() || content->is_null()) continue;
    if (!content->is_string()) {
      raise("message {}: unmask needs its content as text, got {}", j, content->type_name());
    }
    const auto& said = content->get_ref<const std::string&>();
    if (trimmed_length(said) == 0) continue;
    Json other = messages;
    other[j]["content"] = kSentinel;
    const std::string swapped = render(other, tools, false);
    Bytes bytes{common_prefix(full, swapped), full.size()};
    std::size_t tail = 0;
    const std::size_t most = std::min(full.size(), swapped.size()) - bytes.begin;
    while (tail < most && full[full.size() - 1 - tail] == swapped[swapped.size() - 1 - tail]) {
      ++tail;
    }
    bytes.end -= tail;
    const std::string_view place =
        std::string_view(full).substr(bytes.begin, bytes.end - bytes.begin);
    const std::size_t blank = leading_whitespace(said);
    const std::string trimmed = said.substr(blank, trimmed_length(said) - blank);
    if (place.size() > said.size() || place.find(trimmed) == std::string_view::npos) {
      raise(
          "message {}: its content does not stand once and unchanged in the rendered "
          "conversation, so it cannot be unmasked",
          j);
    }
    found.push_back(bytes);
  }
  return found;
}

POSTTRAIN_INLINE Sequence ChatTokenizer::sequence(const std::string& text,
                                                  const std::vector<Bytes>& spans,
                                                  const std::vector<Bytes>& others) const {
  const EncodedChat chat = tokenize(text, spans);
  Sequence out;
  out.ids = chat.ids;
  out.weights.assign(chat.ids.size(), 0.0F);
  for (const Span& span : chat.assistant_spans) {
    std::fill(out.weights.begin() + span.begin, out.weights.begin() + span.end, 1.0F);
  }
  for (const Bytes& place : others) {
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
        begin == 0 ? tokenizer_.encode(before) : tokenizer_.encode_continuation(before, previous);
    const TokenIds tail = tokenizer_.encode_continuation(view.substr(place.end, end - place.end));
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
