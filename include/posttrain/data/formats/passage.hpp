// SPDX-License-Identifier: Apache-2.0
// Passages of a sample, messages or text, and a chat template's inputs beside them.
#pragma once

#include <string>

#include "posttrain/data/formats/format.hpp"

namespace posttrain::data {

/// Messages of a conversation, or plain text that no chat template touches.
struct Passage {
  Json messages = nullptr;  // array of {"role", "content", …}; null: it is a text
  std::string text{};

  bool is_text() const { return messages.is_null(); }
  bool empty() const { return is_text() ? text.empty() : messages.empty(); }
  friend bool operator==(const Passage&, const Passage&) = default;
};

/// Variables of a chat template beside the messages; null where the sample has none.
struct TemplateInputs {
  Json tools = nullptr;                 // array
  Json documents = nullptr;             // array
  Json chat_template_kwargs = nullptr;  // object: further variables (enable_thinking)
};

}  // namespace posttrain::data
