// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_renderer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/text/chat_renderer.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE ChatRenderer::ChatRenderer(const ChatFiles& files, const Json& tokenizer_config)
    : tokenizer_(Tokenizer::from_json(files.tokenizer, named_added_tokens(tokenizer_config))),
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

POSTTRAIN_INLINE ChatRenderer ChatRenderer::with_variables(const Json& own) const {
  ChatRenderer with_own = *this;
  auto& variables = with_own.variables_.get_ref<Json::object_t&>();
  // An object keeps its members in a list: looking each name up there would take the square of
  // their number.
  variables.reserve(variables.size() + own.size());
  std::unordered_map<std::string_view, Json*> known;
  for (auto& [name, value] : variables) known.emplace(name, &value);
  for (const auto& [name, value] : own.items()) {
    if (const auto found = known.find(name); found != known.end()) {
      *found->second = value;
    } else {
      variables.emplace_back(name, value);
    }
  }
  return with_own;
}

POSTTRAIN_INLINE std::string ChatRenderer::render(const Json& messages, const Json& tools,
                                                  bool add_generation_prompt) const {
  return chosen(tools).render(messages, tools, add_generation_prompt, variables_);
}

POSTTRAIN_INLINE ChatTemplate::Rendered ChatRenderer::render_marked(const Json& messages,
                                                                    const Json& tools) const {
  return chosen(tools).render_marked(ChatTemplate::context(messages, tools, false, variables_));
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

POSTTRAIN_INLINE std::optional<std::pair<std::size_t, std::size_t>> ChatRenderer::first_added_token(
    std::string_view text) const {
  auto found = tokenizer_.last_added_token(text);
  while (found) {
    const auto earlier = tokenizer_.last_added_token(text.substr(0, found->first));
    if (!earlier) break;
    found = earlier;
  }
  return found;
}

POSTTRAIN_INLINE std::string ChatRenderer::text_with_sentinel(const Json& messages,
                                                              const Json& tools,
                                                              std::size_t i) const {
  for (const std::size_t count : {messages.size(), i + 1}) {
    try {
      std::string text = render(first_messages(messages, count), tools, false);
      if (text.find(kContentSentinel) != std::string::npos) return text;
    } catch (const Error&) {  // a template that wants other messages, or cannot take the sentinel
    }
  }
  return {};
}

POSTTRAIN_INLINE std::string ChatRenderer::closing(const Json& messages, const Json& tools,
                                                   std::size_t i, const std::string& text) const {
  Json followed = first_messages(messages, std::min(i + 2, messages.size()));
  if (i + 1 == messages.size()) followed.push_back({{"role", "user"}, {"content", "Hello"}});
  try {
    const std::string longer = render(followed, tools, false);
    if (!longer.starts_with(text)) return {};
    const std::string_view behind = std::string_view(longer).substr(text.size());
    const auto token = first_added_token(behind);
    return token ? std::string(behind.substr(0, token->second)) : std::string();
  } catch (const Error&) {
    return {};
  }
}

POSTTRAIN_INLINE std::string ChatRenderer::derive_terminator() const {
  try {
    const Json user = {{"role", "user"}, {"content", "Hello"}};
    const Json assistant = {{"role", "assistant"}, {"content", kContentSentinel}};
    const auto behind_content = [&](const Json& messages) {
      const std::string text = render(messages, nullptr, false);
      const std::size_t content = text.rfind(kContentSentinel);
      return content == std::string::npos
                 ? std::string()
                 : text.substr(content + std::string_view(kContentSentinel).size());
    };
    const std::string last = behind_content(Json::array({user, assistant}));
    std::string tail = last;
    try {
      const std::string followed = behind_content(Json::array({user, assistant, user}));
      if (trimmed_length(last) == 0) {  // left open: what the template writes once more follows
        const std::string_view between = std::string_view(followed).substr(
            0, std::min(followed.rfind("Hello"), followed.size()));
        if (const auto token = first_added_token(between)) {
          return std::string(between.substr(token->first, token->second - token->first));
        }
      }
      tail.resize(whole_tokens(last, common_prefix(last, followed)));
    } catch (const Error&) {  // a template that wants other roles: the end alone must tell
    }
    const std::string eos = eos_token();
    if (last.empty() || (!eos.empty() && tail.find(eos) != std::string::npos)) return eos;
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

}  // namespace posttrain::text
