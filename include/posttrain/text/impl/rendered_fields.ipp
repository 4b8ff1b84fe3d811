// SPDX-License-Identifier: Apache-2.0
// Definitions of rendered_fields.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/text/rendered_fields.hpp"

namespace posttrain::text {

namespace detail {

/// What of a message a template must show, if it is there.
inline constexpr std::array kMessageFields = {"content",           "tool_calls", "function_call",
                                              "reasoning_content", "reasoning",  "thinking"};

inline bool says_something(const Json& value) {
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.is_null() && !(value.is_structured() && value.empty());
}

/// A copy of the value with the sentinel where a template would print it: a text, the texts of
/// parts, the name of a function. Nothing where it has no such place.
inline std::optional<Json> with_sentinel(Json value) {
  if (value.is_string()) return Json(kContentSentinel);
  bool placed = false;
  const auto put = [&](Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return false;
    *found = kContentSentinel;
    return placed = true;
  };
  const auto put_name = [&](Json& call) {
    const auto function = call.find("function");
    if (function != call.end() && function->is_object()) return put(*function, "name");
    return put(call, "name");
  };
  if (value.is_object()) put_name(value);
  if (!value.is_array()) return placed ? std::optional(std::move(value)) : std::nullopt;
  for (Json& part : value) {
    if (part.is_object() && !put(part, "text") && !put(part, "content")) put_name(part);
  }
  return placed ? std::optional(std::move(value)) : std::nullopt;
}

/// Parts of a message that no template for text renders.
inline void check_parts(const Json& content, std::size_t i) {
  if (!content.is_array()) return;
  for (const Json& part : content) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (type == part.end() || !type->is_string() || *type == "text") continue;
    raise("message {}: its content has a part of type '{}', and only text is supported", i,
          type->get<std::string>());
  }
}

}  // namespace detail

POSTTRAIN_INLINE bool RenderedFields::is_proved(const std::string& kind) const {
  const std::lock_guard lock(proved_->mutex);
  return proved_->kinds.contains(kind);
}

POSTTRAIN_INLINE void RenderedFields::prove(const std::string& kind) const {
  const std::lock_guard lock(proved_->mutex);
  proved_->kinds.insert(kind);
}

POSTTRAIN_INLINE bool RenderedFields::shows(const ChatRenderer& renderer, const Json& changed,
                                            const Json& tools, std::size_t i) {
  for (const std::size_t count : {changed.size(), i + 1}) {
    try {
      const std::string text = renderer.render(first_messages(changed, count), tools, false);
      if (text.find(kContentSentinel) != std::string::npos) return true;
    } catch (const Error&) {  // a template that wants other messages, or cannot take the sentinel
    }
  }
  return false;
}

POSTTRAIN_INLINE void RenderedFields::check_message(const ChatRenderer& renderer,
                                                    const Json& messages, const Json& tools,
                                                    std::size_t i, const std::string& kind) const {
  const std::string who = role(messages[i]);
  for (const char* field : detail::kMessageFields) {
    const auto found = messages[i].find(field);
    if (found == messages[i].end() || !detail::says_something(*found)) continue;
    if (std::string_view(field) == "content") detail::check_parts(*found, i);
    const std::string what =
        fmt::format("{} {} {} {}", kind, field, who, static_cast<int>(found->type()));
    if (is_proved(what)) continue;
    const std::optional<Json> sentinel = detail::with_sentinel(*found);
    if (!sentinel) continue;
    Json changed = messages;
    changed[i][field] = *sentinel;
    if (!shows(renderer, changed, tools, i)) {
      renderer.render(messages, tools, false);  // a template that fails says why
      raise(
          "message {}: the chat template does not render its '{}' (role '{}'), so the model would "
          "never see it; hint: a chat template that knows it, or remove it from the sample",
          i, field, who);
    }
    prove(what);
  }
}

POSTTRAIN_INLINE void RenderedFields::check(const ChatRenderer& renderer, const Json& messages,
                                            const Json& tools, const Json& documents) const {
  const bool with_tools = detail::says_something(tools);
  const std::string kind = with_tools ? "tools" : "plain";  // another template may be chosen
  for (std::size_t i = 0; i < messages.size(); ++i) {
    check_message(renderer, messages, tools, i, kind);
  }
  const std::size_t last = messages.size() - 1;
  if (with_tools && !is_proved("the tools")) {
    const std::optional<Json> sentinel = detail::with_sentinel(tools);
    if (sentinel && !shows(renderer, messages, *sentinel, last)) {
      fail(
          "the chat template does not render the sample's 'tools'; hint: a chat template for "
          "tools, or remove them from the sample");
    }
    prove("the tools");
  }
  if (detail::says_something(documents) && !is_proved("the documents")) {
    const std::optional<Json> sentinel = detail::with_sentinel(documents);
    if (sentinel &&
        !shows(renderer.with_variables({{"documents", *sentinel}}), messages, tools, last)) {
      fail(
          "the chat template does not render the sample's 'documents'; hint: a chat template for "
          "them, or remove them from the sample");
    }
    prove("the documents");
  }
}

}  // namespace posttrain::text
