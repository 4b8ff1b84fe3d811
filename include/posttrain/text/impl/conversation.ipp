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
