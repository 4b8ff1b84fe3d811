// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_renderer.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/text/chat_renderer.hpp"
#include "posttrain/text/message_weight.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE ChatRenderer::ChatRenderer(const ChatFiles& files, const Json& tokenizer_config)
    : tokenizer_(Tokenizer::from_json(files.tokenizer)),
      templates_(chat_templates(files, tokenizer_config)),
      variables_(special_tokens(
          tokenizer_config, parse_object(files.special_tokens_map, "special_tokens_map.json"))) {
  if (!templates_.empty()) terminator_ = derive_terminator();
  ContentHash hash;
  for (const std::string* file :
       {&files.tokenizer, &files.tokenizer_config, &files.chat_template, &files.special_tokens_map,
        &files.generation_config, &files.config}) {
    hash.add(*file);
  }
  for (const auto& [name, text] : files.additional_templates) {
    hash.add(name);
    hash.add(text);
  }
  files_ = hash.value();
}

POSTTRAIN_INLINE std::string ChatRenderer::fingerprint() const {
  return fmt::format("{:016x}{:016x} {} {}", files_[0], files_[1], template_, variables_.dump());
}

POSTTRAIN_INLINE std::string ChatRenderer::bos_token() const {
  return variables_.value("bos_token", std::string());
}

POSTTRAIN_INLINE std::string ChatRenderer::eos_token() const {
  return variables_.value("eos_token", std::string());
}

POSTTRAIN_INLINE std::string ChatRenderer::pad_token() const {
  return variables_.value("pad_token", std::string());
}

POSTTRAIN_INLINE void ChatRenderer::set_variable(const std::string& name, Json value) {
  variables_[name] = std::move(value);
  if (!templates_.empty()) terminator_ = derive_terminator();
}

POSTTRAIN_INLINE std::string ChatRenderer::render(const Json& messages, const Json& tools,
                                                  bool add_generation_prompt) const {
  return chosen(tools).render(messages, tools, add_generation_prompt, variables_);
}

POSTTRAIN_INLINE bool ChatRenderer::is_assistant(const Json& message) {
  return role(message) == "assistant";
}

POSTTRAIN_INLINE std::string ChatRenderer::role(const Json& message) {
  const auto found = message.is_object() ? message.find("role") : message.end();
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

POSTTRAIN_INLINE void ChatRenderer::check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    fail("expected \"messages\" to be an array of at least one message");
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (role(messages[i]).empty()) raise("message {}: expected an object with a \"role\"", i);
  }
}

POSTTRAIN_INLINE Json ChatRenderer::first(const Json& messages, std::size_t count) {
  Json out = Json::array();
  for (std::size_t i = 0; i < count; ++i) out.push_back(messages[i]);
  return out;
}

POSTTRAIN_INLINE void ChatRenderer::use_template(const std::string& name) {
  const auto found = std::find_if(templates_.begin(), templates_.end(),
                                  [&](const auto& known) { return known.first == name; });
  if (found == templates_.end()) {
    std::string names;
    for (const auto& known : templates_) names += (names.empty() ? "" : ", ") + known.first;
    raise("the model has no chat template '{}', only: {}", name, names.empty() ? "none" : names);
  }
  template_ = name;
  terminator_ = derive_terminator();
}

POSTTRAIN_INLINE const ChatTemplate& ChatRenderer::chosen(const Json& tools) const {
  if (templates_.empty()) {
    fail("the model has no chat template; hint: put a chat_template.jinja into its folder");
  }
  const ChatTemplate* fallback = nullptr;
  for (const auto& [name, chat_template] : templates_) {
    if (template_.empty() ? name == "tool_use" && !tools.is_null() : name == template_) {
      return chat_template;
    }
    if (name == "default") fallback = &chat_template;
  }
  if (fallback == nullptr) {
    fail(
        "the model has several chat templates and none is called \"default\"; hint: choose one "
        "with use_template");
  }
  return *fallback;
}

POSTTRAIN_INLINE std::size_t ChatRenderer::common_prefix(std::string_view a, std::string_view b) {
  const std::size_t n = std::min(a.size(), b.size());
  std::size_t i = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + n, b.begin()).first - a.begin());
  const auto inside = [](std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (i > 0 && (inside(a, i) || inside(b, i))) --i;
  return i;
}

POSTTRAIN_INLINE std::size_t ChatRenderer::whole_tokens(std::string_view text,
                                                        std::size_t end) const {
  constexpr std::size_t kLongestToken = 64;
  if (end >= text.size()) return text.size();
  for (std::size_t to = end + 1; to <= std::min(end + kLongestToken, text.size()); ++to) {
    const auto token = tokenizer_.last_added_token(text.substr(0, to));
    if (token && token->first < end && token->second > end) return token->first;
  }
  while (end > 0 && std::string_view("<[|").find(text[end - 1]) != std::string_view::npos) --end;
  return end;
}

POSTTRAIN_INLINE std::string ChatRenderer::derive_terminator() const {
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
    const std::string last = behind_content(Json::array({user, assistant}));
    if (last.empty()) return eos_token();
    std::string tail = last;
    try {
      const std::string followed = behind_content(Json::array({user, assistant, user}));
      tail.resize(whole_tokens(last, common_prefix(last, followed)));
    } catch (const Error&) {  // a template that wants other roles: the end alone must tell
    }
    if (tail.empty()) tail = last;  // the last turn ends otherwise than those before it
    if (const auto token = tokenizer_.last_added_token(tail)) {
      return tail.substr(token->first, token->second - token->first);
    }
    const std::string_view view = std::string_view(tail).substr(0, trimmed_length(tail));
    return std::string(view.empty() ? tail : view.substr(leading_whitespace(view)));
  } catch (const Error&) {
    return eos_token();
  }
}

POSTTRAIN_INLINE ChatRenderer::Turn ChatRenderer::last_turn(const Json& messages, const Json& tools,
                                                            std::size_t i) const {
  Turn turn{render(first(messages, i + 1), tools, false), {}};
  turn.span.begin = turn_begin(messages, tools, i, turn.text);
  turn.span.end = turn_end(turn.text, turn.span.begin);
  return turn;
}

POSTTRAIN_INLINE std::size_t ChatRenderer::turn_begin(const Json& messages, const Json& tools,
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

POSTTRAIN_INLINE std::size_t ChatRenderer::turn_end(const std::string& text,
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

POSTTRAIN_INLINE std::optional<ChatRenderer::Bytes> ChatRenderer::find_turn(
    const Json& messages, const Json& tools, std::size_t i, const std::string& full) const {
  try {
    const Turn turn = last_turn(messages, tools, i);
    if (full.compare(0, turn.span.end, turn.text, 0, turn.span.end) == 0) return turn.span;
    // Rewritten: the prompt may still stand, and content and terminator follow it.
    if (i == 0) return std::nullopt;
    const std::string prompt = render(first(messages, i), tools, true);
    if (!full.starts_with(prompt) || terminator_.empty()) return std::nullopt;
    std::size_t from = prompt.size();
    std::string content_text;
    const auto content = messages[i].find("content");
    if (content != messages[i].end() && content->is_string()) {
      const auto& whole = content->get_ref<const std::string&>();
      const std::size_t blank = leading_whitespace(whole);
      const std::size_t size = trimmed_length(whole);
      if (size > blank) content_text = whole.substr(blank, size - blank);
    }
    if (!content_text.empty()) {
      const std::size_t found = full.find(content_text, from);
      if (found == std::string::npos) return std::nullopt;
      from = found + content_text.size();
    }
    // What stands between the content and the turn's end must be what stands there without the
    // messages that follow: a terminator further on would be another turn's.
    const std::size_t said =
        content_text.empty() ? turn.span.begin : turn.text.rfind(content_text, turn.span.end);
    if (said == std::string::npos || said + content_text.size() > turn.span.end) {
      return std::nullopt;
    }
    const std::size_t rest = turn.span.end - said - content_text.size();
    if (full.compare(from, rest, turn.text, said + content_text.size(), rest) != 0) {
      return std::nullopt;
    }
    return Bytes{prompt.size(), from + rest};
  } catch (const Error&) {
    return std::nullopt;
  }
}

POSTTRAIN_INLINE std::vector<Json::json_pointer> ChatRenderer::texts(const Json& messages,
                                                                     std::size_t j) {
  std::vector<Json::json_pointer> found;
  const auto content = messages[j].find("content");
  if (content == messages[j].end() || content->is_null()) return found;
  const auto place = Json::json_pointer() / j / "content";
  if (content->is_string()) {
    found.push_back(place);
  } else if (content->is_array()) {
    for (std::size_t k = 0; k < content->size(); ++k) {
      const Json& part = content->at(k);
      const auto text = part.is_object() ? part.find("text") : part.end();
      if (text != part.end() && text->is_string()) found.push_back(place / k / "text");
    }
  } else {
    raise("message {}: unmask needs its content as text or parts, got {}", j, content->type_name());
  }
  return found;
}

POSTTRAIN_INLINE std::vector<ChatRenderer::Bytes> ChatRenderer::contents(
    const Json& messages, const Json& tools, std::size_t from, std::size_t to,
    const std::string& full, bool unmask) const {
  std::vector<Bytes> found;
  for (std::size_t j = from; j < to; ++j) {
    const std::string who = role(messages[j]);
    const bool by_role = unmask && who != "system" && who != "developer";
    if (who == "assistant" || !own_weight(messages[j]).value_or(by_role)) continue;
    for (const auto& place_of_text : texts(messages, j)) {
      const auto& said = messages.at(place_of_text).get_ref<const std::string&>();
      if (trimmed_length(said) == 0) continue;
      Json other = messages;
      other[place_of_text] = kSentinel;
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
  }
  return found;
}

}  // namespace posttrain::text
