// SPDX-License-Identifier: Apache-2.0
// Questions to the messages of a conversation, as JSON.
#pragma once

#include <cstddef>
#include <string>

#include "posttrain/text/chat_template.hpp"

namespace posttrain::text {

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
