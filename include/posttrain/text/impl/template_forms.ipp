// SPDX-License-Identifier: Apache-2.0
// Definitions of template_forms.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/text/template_forms.hpp"

namespace posttrain::text {

namespace detail {

/// The object that a text of arguments is; nothing where it is something else, or no JSON.
inline std::optional<Json> object_in_text(const Json& arguments) {
  if (!arguments.is_string()) return std::nullopt;
  const auto& text = arguments.get_ref<const std::string&>();
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return Json::object();
  if (text[start] != '{') return std::nullopt;
  std::string ignored;
  std::optional<Json> read = io::try_parse_json(text, ignored);
  return read && read->is_object() ? std::move(read) : std::nullopt;
}

/// Calls `function(arguments)` for the arguments of each call under the message's `field`
/// ("tool_calls" or "function_call"), in OpenAI's nesting or without it.
template <class AnyMessage, class Function>
void for_each_arguments(AnyMessage& message, const char* field, const Function& function) {
  const auto found = message.find(field);
  if (found == message.end()) return;
  const auto take = [&](auto& call) {
    if (!call.is_object()) return;
    const auto inner = call.find("function");
    auto& owner = inner != call.end() && inner->is_object() ? *inner : call;
    const auto arguments = owner.find("arguments");
    if (arguments != owner.end()) function(*arguments);
  };
  if (!found->is_array()) return take(*found);
  for (auto& call : *found) take(call);
}

inline bool has_text_of_object(const Json& message, const char* field) {
  bool has = false;
  for_each_arguments(message, field, [&](const Json& arguments) {
    has = has || object_in_text(arguments).has_value();
  });
  return has;
}

/// The text of a part that is one: {"type": "text", "text"}, or a text by itself.
inline const std::string* text_of_part(const Json& part) {
  if (part.is_string()) return &part.get_ref<const std::string&>();
  if (!part.is_object()) return nullptr;
  const auto type = part.find("type");
  if (type != part.end() && *type != "text") return nullptr;
  const auto text = part.find("text");
  return text != part.end() && text->is_string() ? &text->get_ref<const std::string&>() : nullptr;
}

/// The texts of a list of them in one; nothing for any other content.
inline std::optional<std::string> joined_parts(const Json& content) {
  if (!content.is_array()) return std::nullopt;
  std::string joined;
  for (const Json& part : content) {
    const std::string* text = text_of_part(part);
    if (text == nullptr) return std::nullopt;
    joined += *text;
  }
  return joined;
}

}  // namespace detail

template <class Probe>
bool TemplateForms::answer(const std::string& kind, const Bases& bases, const Probe& probe) const {
  {
    const std::lock_guard lock(known_->mutex);
    const auto known = known_->answers.find(kind);
    if (known != known_->answers.end()) return known->second;
  }
  for (const Json& base : bases) {
    if (const std::optional<bool> found = probe(base)) {
      const std::lock_guard lock(known_->mutex);
      return known_->answers.emplace(kind, *found).first->second;
    }
  }
  return false;
}

POSTTRAIN_INLINE bool TemplateForms::takes_object(const ChatRenderer& renderer, const Bases& bases,
                                                  const Json& tools, std::size_t i,
                                                  const char* field) const {
  const Json object = {{kContentSentinel, kContentSentinel}};
  const std::string text = object.dump();
  const auto probe = [&](const Json& base) -> std::optional<bool> {
    const auto rendered = [&](const Json& value) {
      Json changed = base;
      for (Json& message : changed) {  // all calls, so that none of them stops the template
        detail::for_each_arguments(message, field, [&](Json& arguments) { arguments = value; });
      }
      return renderer.text_with_sentinel(changed, tools, i);
    };
    if (rendered(text).find(text) != std::string::npos) return false;
    return rendered(object).empty() ? std::nullopt : std::optional(true);
  };
  return answer(fmt::format("{} {}", field, tools.is_null() ? "plain" : "tools"), bases, probe);
}

POSTTRAIN_INLINE bool TemplateForms::takes_text(const ChatRenderer& renderer, const Bases& bases,
                                                const Json& tools, std::size_t i) const {
  const auto probe = [&](const Json& base) -> std::optional<bool> {
    const auto rendered = [&](Json content) {
      Json changed = base;
      changed[i]["content"] = std::move(content);
      return renderer.text_with_sentinel(changed, tools, i);
    };
    if (rendered(kContentSentinel).empty()) return std::nullopt;
    const std::string parts =
        rendered(Json::array({{{"type", "text"}, {"text", kContentSentinel}}}));
    const auto shows = [&](const char* before) {  // the list itself, in Python's or JSON's spelling
      return parts.find(before + std::string(kContentSentinel)) != std::string::npos;
    };
    return parts.empty() || shows("'text': '") || shows("\"text\": \"") ||
           shows("\\\"text\\\": \\\"");
  };
  return answer(
      fmt::format("content of {} {}", role(bases.front()[i]), tools.is_null() ? "plain" : "tools"),
      bases, probe);
}

POSTTRAIN_INLINE TemplateForms::Bases TemplateForms::bases_of(const Json& messages) {
  const auto has_two_forms = [](const Json& message) {
    const auto content = message.find("content");
    return (content != message.end() && detail::joined_parts(*content)) ||
           std::any_of(kCallFields.begin(), kCallFields.end(), [&](const char* field) {
             return detail::has_text_of_object(message, field);
           });
  };
  if (std::none_of(messages.begin(), messages.end(), has_two_forms)) return {};
  Json texts = messages;
  for (Json& message : texts) {
    const auto content = message.find("content");
    if (content == message.end()) continue;
    if (auto joined = detail::joined_parts(*content)) *content = *std::move(joined);
  }
  Json objects = texts;
  for (Json& message : objects) {
    for (const char* field : kCallFields) {
      detail::for_each_arguments(message, field, [](Json& arguments) {
        if (auto object = detail::object_in_text(arguments)) arguments = *std::move(object);
      });
    }
  }
  return {std::move(texts), std::move(objects), messages};
}

POSTTRAIN_INLINE std::optional<Json> TemplateForms::adapted(const ChatRenderer& renderer,
                                                            const Json& messages, const Json& tools,
                                                            bool parse_arguments) const {
  const Bases bases = bases_of(messages);
  if (bases.empty()) return std::nullopt;
  std::optional<Json> changed;
  const auto change = [&]() -> Json& { return changed ? *changed : changed.emplace(messages); };
  for (std::size_t i = 0; i < messages.size(); ++i) {
    for (const char* field : kCallFields) {
      if (!parse_arguments || !detail::has_text_of_object(messages[i], field) ||
          !takes_object(renderer, bases, tools, i, field)) {
        continue;
      }
      detail::for_each_arguments(change()[i], field, [](Json& arguments) {
        if (auto object = detail::object_in_text(arguments)) arguments = *std::move(object);
      });
    }
    const auto content = messages[i].find("content");
    if (content == messages[i].end()) continue;
    auto joined = detail::joined_parts(*content);
    if (joined && takes_text(renderer, bases, tools, i)) {
      change()[i]["content"] = *std::move(joined);
    }
  }
  return changed;
}

}  // namespace posttrain::text
