// SPDX-License-Identifier: Apache-2.0
// A message's own word on whether it is scored: "weight" (OpenAI's fine-tuning format) or
// "loss_weight" (LLaMA-Factory's), 0 or 1.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::text {

/// Whether the message overrides its role: true is scored, false is not, nothing leaves it to the
/// role.
inline std::optional<bool> own_weight(const Json& message) {
  if (!message.is_object()) return std::nullopt;
  for (const char* key : {"weight", "loss_weight"}) {
    const auto found = message.find(key);
    if (found == message.end() || found->is_null()) continue;
    if (*found == 0 || *found == 1) return *found == 1;
    raise("expected a message's '{}' to be 0 or 1, got {}", key, io::shown(*found));
  }
  return std::nullopt;
}

}  // namespace posttrain::text
