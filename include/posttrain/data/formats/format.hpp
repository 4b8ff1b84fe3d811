// SPDX-License-Identifier: Apache-2.0
// The formats of samples that are in use, told by the keys of a record.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"

namespace posttrain::data {

enum class Format : std::uint8_t {
  messages,             // {"messages" or "Messages": [{"role", "content"}, …]}
  sharegpt,             // {"conversations": [{"from", "value"}, …], "system"?}
  alpaca,               // {"instruction", "input"?, "output"?, "system"?, "history"?}
  question,             // {"question", "problem", "query" or "input", "answer", "solution",
                        //  "response" or "output", "system"?}
  prompt,               // {"prompt"}
  prompt_completion,    // {"prompt", "completion"}
  preference,           // {"prompt" or any of the above, "chosen", "rejected"}
  implicit_preference,  // {"chosen", "rejected"}: the prompt is what both start with
  ranked_preference,    // {"instruction", "input"?, "output": [preferred, other], …}
  unpaired_preference,  // {"prompt", "completion", "label"}
  stepwise,             // {"prompt" or any of the above, "completions", "labels"}
  document,             // {"text"} or {"document"}, or a text
  tokenized             // {"input_ids", "labels"?, "weights"?}
};

/// "ShareGPT conversations", for reports and errors.
constexpr std::string_view format_name(Format format) {
  switch (format) {
    case Format::messages:
      return "conversations (messages)";
    case Format::sharegpt:
      return "ShareGPT conversations";
    case Format::alpaca:
      return "Alpaca instructions";
    case Format::question:
      return "questions";
    case Format::prompt:
      return "prompts";
    case Format::prompt_completion:
      return "prompts with completions";
    case Format::preference:
      return "preference pairs";
    case Format::implicit_preference:
      return "preference pairs with implicit prompts";
    case Format::ranked_preference:
      return "preference pairs (output: the preferred answer, the other one)";
    case Format::unpaired_preference:
      return "unpaired preferences";
    case Format::stepwise:
      return "solutions in judged steps";
    case Format::document:
      return "documents";
    case Format::tokenized:
      return "token ids";
  }
  return "";
}

namespace detail {

/// The value of a key that is there and not null (tables exported to JSON are full of nulls).
inline const Json* value_of(const Json& record, std::string_view key) {
  if (!record.is_object()) return nullptr;
  const auto found = record.find(key);
  return found == record.end() || found->is_null() ? nullptr : &*found;
}

/// The first of these keys that has a value.
template <class... Keys>
const Json* first_value(const Json& record, Keys... keys) {
  const Json* found = nullptr;
  ((found = found != nullptr ? found : value_of(record, keys)), ...);
  return found;
}

/// The conversation that a sample is: under "messages", or "Messages" as in examples of Training
/// Hub.
inline const Json* messages_of(const Json& record) {
  return first_value(record, "messages", "Messages");
}

/// What a sample asks under the names that are in use beside "prompt" and "instruction".
inline const Json* asked(const Json& record) {
  return first_value(record, "question", "problem", "query", "input");
}

/// LLaMA-Factory's old format of ranked answers: "output" is a list.
inline bool has_ranked_output(const Json& record) {
  const Json* output = value_of(record, "output");
  return output != nullptr && output->is_array() &&
         (value_of(record, "instruction") != nullptr || asked(record) != nullptr);
}

/// "a, b, c" of a record, or what it is instead of an object.
inline std::string keys_of(const Json& record) {
  constexpr std::size_t kMost = 20;
  if (!record.is_object()) return record.type_name();
  std::string keys;
  std::size_t count = 0;
  for (const auto& [key, value] : record.items()) {
    if (count++ == kMost) break;
    keys += (keys.empty() ? "" : ", ") + key;
  }
  if (record.size() > kMost) keys += fmt::format(" and {} more", record.size() - kMost);
  return keys.empty() ? "an object without keys" : "the keys " + one_line(keys);
}

}  // namespace detail

/// The format that a record's keys tell, or nothing where they say nothing known. Keys beyond the
/// format's own do not matter.
inline std::optional<Format> detect_format(const Json& record) {
  using detail::value_of;
  if (record.is_string()) return Format::document;
  const auto has = [&](auto... keys) { return ((value_of(record, keys) != nullptr) && ...); };
  if (has("input_ids")) return Format::tokenized;
  const Json *talk = value_of(record, "conversations"), *messages = detail::messages_of(record);
  if (has("chosen_messages", "rejected_messages")) return Format::implicit_preference;
  if (has("chosen", "rejected")) {
    const Json* prompt = value_of(record, "prompt");
    // A text prompt beside whole conversations only names what they start with.
    const bool names_only = prompt != nullptr && prompt->is_string() && record["chosen"].is_array();
    if (prompt != nullptr && !names_only) return Format::preference;
    const bool elsewhere = talk != nullptr || messages != nullptr || has("instruction") ||
                           detail::asked(record) != nullptr || has("context");
    if (prompt == nullptr && elsewhere) return Format::preference;
    return Format::implicit_preference;
  }
  if (has("completions", "labels")) return Format::stepwise;
  if (has("prompt", "completion", "label")) return Format::unpaired_preference;
  if (has("prompt", "completion")) return Format::prompt_completion;
  if (messages != nullptr) return Format::messages;
  if (talk != nullptr && talk->is_array() && !talk->empty()) {
    return talk->front().is_object() && talk->front().contains("role") ? Format::messages
                                                                       : Format::sharegpt;
  }
  if (detail::has_ranked_output(record)) return Format::ranked_preference;
  if (has("instruction")) return Format::alpaca;
  if (has("prompt")) return Format::prompt;
  if (detail::asked(record) != nullptr) return Format::question;
  if (has("text") || has("document")) return Format::document;
  return std::nullopt;
}

}  // namespace posttrain::data
