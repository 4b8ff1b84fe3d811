// SPDX-License-Identifier: Apache-2.0
// Definitions of rendered_fields.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
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

/// An error for a part of a content that is no text: templates write a placeholder for it, and the
/// model gets nothing in its place.
inline void check_parts(const Json& content, std::size_t i) {
  if (!content.is_array()) return;
  for (const Json& part : content) {
    if (!part.is_object()) continue;
    const auto type = part.find("type");
    std::string name = type != part.end() && type->is_string() ? type->get<std::string>() : "";
    for (const char* key : {"image", "image_url", "audio", "input_audio", "video"}) {
      if (name.empty() && part.contains(key)) name = key;
    }
    if (name.empty() || name == "text") continue;
    const auto is = [&](const char* medium) { return name.find(medium) != std::string::npos; };
    raise(
        "message {}: {} not supported, only text is (its content has a part of type '{}'); hint: "
        "remove the part, or the sample",
        i,
        is("image")   ? "images are"
        : is("video") ? "videos are"
        : is("audio") ? "audio is"
                      : "such parts are",
        name);
  }
}

/// The template's own error, where it renders neither the messages nor those up to number i.
inline void check_renders(const ChatRenderer& renderer, const Json& messages, const Json& tools,
                          std::size_t i) {
  try {
    renderer.render(first_messages(messages, i + 1), tools, false);
  } catch (const Error&) {
    renderer.render(messages, tools, false);
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

POSTTRAIN_INLINE void RenderedFields::check_content(const ChatRenderer& renderer,
                                                    const Json& messages, const Json& tools,
                                                    std::size_t i, const std::string& kind) const {
  const auto content = messages[i].find("content");
  const bool missing = content == messages[i].end();
  if (!missing) detail::check_parts(*content, i);
  if (!missing && !content->is_null()) return;
  const auto says = [&](const char* field) {
    const auto found = messages[i].find(field);
    return found != messages[i].end() && detail::says_something(*found);
  };
  if (std::none_of(detail::kMessageFields.begin(), detail::kMessageFields.end(), says)) {
    if (missing) return;  // the template may read other fields
    raise("message {}: content is null; hint: give it a text, or remove the message", i);
  }
  const std::string what = fmt::format("{} null content {}", kind, role(messages[i]));
  if (is_proved(what)) return;
  Json upto = first_messages(messages, i + 1);
  try {
    renderer.render(upto, tools, false);
  } catch (const Error& error) {
    upto[i]["content"] = "";
    try {
      renderer.render(upto, tools, false);
    } catch (const Error&) {
      return;  // the content is not the reason
    }
    raise(
        "message {}: content is {}, and the chat template takes only a text ({}); hint: "
        "\"content\": \"\"",
        i, missing ? "missing" : "null", error.what());
  }
  prove(what);
}

POSTTRAIN_INLINE void RenderedFields::check_message(const ChatRenderer& renderer,
                                                    const Json& messages, const Json& tools,
                                                    std::size_t i, const std::string& kind) const {
  const std::string who = role(messages[i]);
  for (const char* field : detail::kMessageFields) {
    const auto found = messages[i].find(field);
    if (found == messages[i].end() || !detail::says_something(*found)) continue;
    const std::string what =
        fmt::format("{} {} {} {}", kind, field, who, static_cast<int>(found->type()));
    if (is_proved(what)) continue;
    const std::optional<Json> sentinel = detail::with_sentinel(*found);
    if (!sentinel) continue;
    Json changed = messages;
    changed[i][field] = *sentinel;
    if (renderer.text_with_sentinel(changed, tools, i).empty()) {
      detail::check_renders(renderer, messages, tools, i);
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
    check_content(renderer, messages, tools, i, kind);
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    check_message(renderer, messages, tools, i, kind);
  }
  const std::size_t last = messages.size() - 1;
  if (with_tools && !is_proved("the tools")) {
    const std::optional<Json> sentinel = detail::with_sentinel(tools);
    if (sentinel && renderer.text_with_sentinel(messages, *sentinel, last).empty()) {
      fail(
          "the chat template does not render the sample's 'tools'; hint: a chat template for "
          "tools, or remove them from the sample");
    }
    prove("the tools");
  }
  if (detail::says_something(documents) && !is_proved("the documents")) {
    const std::optional<Json> sentinel = detail::with_sentinel(documents);
    if (sentinel && renderer.with_variables({{"documents", *sentinel}})
                        .text_with_sentinel(messages, tools, last)
                        .empty()) {
      fail(
          "the chat template does not render the sample's 'documents'; hint: a chat template for "
          "them, or remove them from the sample");
    }
    prove("the documents");
  }
}

}  // namespace posttrain::text
