// SPDX-License-Identifier: Apache-2.0
// A conversation: its messages, and what a chat template gets beside them.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "posttrain/base/json.hpp"
#include "posttrain/text/chat_template.hpp"

namespace posttrain::text {

/// Variables of a chat template beside the messages; null where a sample has none.
struct TemplateInputs {
  Json tools = nullptr;                 // array
  Json documents = nullptr;             // array
  Json chat_template_kwargs = nullptr;  // object: further variables (enable_thinking)

  /// Documents and further variables as one object for the template.
  Json variables() const;
};

/// Messages stay JSON: a template may read any field of them.
struct Conversation {
  Json messages;  // array of {"role", "content", …}
  TemplateInputs inputs{};
  bool unmask = false;  // score users' and tools' messages, too

  explicit Conversation(Json all_messages = Json::array(), TemplateInputs beside = {})
      : messages(std::move(all_messages)), inputs(std::move(beside)) {}

  /// Reads a sample {"messages": […], "tools"?: […], "documents"?: […], "chat_template_kwargs"?:
  /// {…}, "unmask"?: bool}; an error where one is something else.
  static Conversation from(const Json& sample);
};

/// A private-use character that stands for a message's content where only its place matters.
inline constexpr const char* kContentSentinel = "\uE000";

/// A message's role, or "" where it has none.
std::string role(const Json& message);

bool is_assistant(const Json& message);

/// An error unless `messages` are at least one message, each with a role.
void check_messages(const Json& messages);

/// Messages [0, count).
Json first_messages(const Json& messages, std::size_t count);

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/conversation.ipp"
#endif
