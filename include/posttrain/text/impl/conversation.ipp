// SPDX-License-Identifier: Apache-2.0
// Definitions of conversation.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/text/conversation.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE std::string role(const Json& message) {
  const auto found = message.is_object() ? message.find("role") : message.end();
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

POSTTRAIN_INLINE Json TemplateInputs::variables() const {
  Json own = chat_template_kwargs.is_null() ? Json::object() : chat_template_kwargs;
  if (!documents.is_null()) own["documents"] = documents;
  return own;
}

POSTTRAIN_INLINE Conversation Conversation::from(const Json& sample) {
  if (!sample.is_object() || !sample.contains("messages")) {
    fail(
        "expected a sample with \"messages\"; hint: {\"messages\": [{\"role\": …, \"content\": "
        "…}, …]}");
  }
  Conversation conversation(sample.at("messages"));
  const auto take = [&](const char* key, Json& into, Json::value_t type, const char* what) {
    const auto found = sample.find(key);
    if (found == sample.end() || found->is_null()) return;
    if (found->type() != type) {
      raise("expected \"{}\" to be an {}, got {}", key, what, found->type_name());
    }
    into = *found;
  };
  TemplateInputs& inputs = conversation.inputs;
  take("tools", inputs.tools, Json::value_t::array, "array");
  take("documents", inputs.documents, Json::value_t::array, "array");
  take("chat_template_kwargs", inputs.chat_template_kwargs, Json::value_t::object, "object");
  if (const auto found = sample.find("unmask"); found != sample.end() && found->is_boolean()) {
    conversation.unmask = found->get<bool>();
  }
  return conversation;
}

POSTTRAIN_INLINE bool is_assistant(const Json& message) { return role(message) == "assistant"; }

POSTTRAIN_INLINE void check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    fail("expected \"messages\" to be an array of at least one message");
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (role(messages[i]).empty()) raise("message {}: expected an object with a \"role\"", i);
  }
}

POSTTRAIN_INLINE Json first_messages(const Json& messages, std::size_t count) {
  Json out = Json::array();
  for (std::size_t i = 0; i < count; ++i) out.push_back(messages[i]);
  return out;
}

}  // namespace posttrain::text
