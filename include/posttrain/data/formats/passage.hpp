// SPDX-License-Identifier: Apache-2.0
// Passages of a sample, messages or text, and a chat template's inputs beside them.
#pragma once

#include <string>

#include "posttrain/data/formats/format.hpp"
#include "posttrain/text/conversation.hpp"

namespace posttrain::data {

/// Messages of a conversation, or plain text that no chat template touches.
struct Passage {
  Json messages = nullptr;  // array of {"role", "content", …}; null: it is a text
  std::string text{};

  bool is_text() const { return messages.is_null(); }
  bool empty() const { return is_text() ? text.empty() : messages.empty(); }
  friend bool operator==(const Passage&, const Passage&) = default;
};

using text::TemplateInputs;

}  // namespace posttrain::data
