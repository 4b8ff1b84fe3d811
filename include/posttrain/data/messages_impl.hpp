// SPDX-License-Identifier: Apache-2.0
// Definitions of messages.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/data/loading.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

namespace detail {

/// Well-formed, but nobody answers and nothing unmasks the other turns.
inline bool has_no_assistant(const Json& sample) {
  const auto messages = sample.find("messages");
  if (messages == sample.end() || !messages->is_array() || messages->empty()) return false;
  for (const Json& message : *messages) {
    const auto role = message.is_object() ? message.find("role") : message.end();
    if (role == message.end() || !role->is_string() || *role == "assistant") return false;
  }
  const auto unmask = sample.find("unmask");
  return unmask == sample.end() || *unmask != true;
}

}  // namespace detail

POSTTRAIN_INLINE LoadedData detail::load_messages(const SourceOptions& options,
                                                  const LoadContext& context, text::Turns turns,
                                                  bool unmask) {
  if (context.text == nullptr) {
    fail("Messages needs a tokenizer; hint: the model's folder must hold a tokenizer.json");
  }
  return load_samples(options, context, json_samples, [&](const Json& sample) {
    if (!unmask && sample.is_object() && detail::has_no_assistant(sample)) {
      return std::vector<Sequence>(1);  // nothing to score: the pipeline counts it
    }
    return context.text->training_sequences(sample, turns, unmask);
  });
}

}  // namespace posttrain::data
