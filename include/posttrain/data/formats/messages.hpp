// SPDX-License-Identifier: Apache-2.0
// The parts of a sample in every spelling that formats have: messages, prompts, tools.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/format.hpp"
#include "posttrain/data/formats/passage.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data::detail {

inline const std::string& text_value(const Json& value, std::string_view key) {
  if (!value.is_string()) raise("expected '{}' to be a text, got {}", key, value.type_name());
  return value.get_ref<const std::string&>();
}

inline Json message(const char* role, std::string content) {
  return Json{{"role", role}, {"content", std::move(content)}};
}

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

/// The role behind a name in use, whatever its case; "function_call" stands for itself. Empty for
/// another name.
inline std::string_view usual_role(std::string_view name) {
  const std::string lower = lower_case(name);
  const auto is = [&](auto... names) { return ((lower == names) || ...); };
  if (is("human", "user", "prompter")) return "user";
  if (is("gpt", "assistant", "chatgpt", "bing", "bard", "model", "bot", "ai", "output")) {
    return "assistant";
  }
  if (is("system")) return "system";
  if (is("tool", "observation", "function_response", "tool_response", "function", "ipython")) {
    return "tool";
  }
  if (is("function_call", "tool_call")) return "function_call";
  return {};
}

inline std::string_view sharegpt_role(std::string_view from) {
  const std::string_view role = usual_role(from);
  if (!role.empty()) return role;
  raise("expected 'from' to be human, gpt, system, tool or function_call, got '{}'", from);
}

/// The "role" of a message: user, assistant and system under their other names; the names of tools'
/// messages are the template's matter and stay, in small letters; others stay as they are.
inline std::string message_role(const std::string& given) {
  const std::string_view usual = usual_role(given);
  if (usual == "tool" || usual == "function_call") return lower_case(given);
  return usual.empty() ? given : std::string(usual);
}

/// Calls written as JSON text, one or a list, in the way of the messages format.
inline Json tool_calls(const std::string& text) {
  std::string problem;
  std::optional<Json> read = io::try_parse_json(text, problem);
  if (!read) {
    raise(
        "expected the value of a function_call to be JSON: {{\"name\", \"arguments\"}}, got a text "
        "({})",
        problem);
  }
  Json parsed = *std::move(read);
  if (parsed.is_object()) parsed = Json::array({std::move(parsed)});
  if (!parsed.is_array() || parsed.empty()) {
    fail("expected the value of a function_call to be an object or a list of them");
  }
  Json calls = Json::array();
  for (Json& call : parsed) {
    const Json* name = value_of(call, "name");
    if (name == nullptr || !name->is_string()) fail("expected a function_call to have a 'name'");
    Json function{{"name", *name}, {"arguments", Json::object()}};
    if (const Json* given = value_of(call, "arguments")) function["arguments"] = *given;
    calls.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return calls;
}

/// One message in either spelling: {"role", "content"} stays as it is, {"from", "value"} is
/// renamed.
inline Json any_message(const Json& given) {
  if (!given.is_object()) raise("expected a message to be an object, got {}", given.type_name());
  if (given.contains("role")) {
    Json same = given;
    if (Json& role = same["role"]; role.is_string()) {
      role = message_role(role.get_ref<const std::string&>());
    }
    const auto content = same.find("content");
    if (content == same.end() || !content->is_array()) return same;
    for (Json& part : *content) {  // {"type": "text", "value": …} is LLaMA-Factory's spelling
      const Json* value = value_of(part, "value");
      if (value == nullptr || part.contains("text") || value_of(part, "type") == nullptr) continue;
      if (part["type"] == "text") part = Json{{"type", "text"}, {"text", Json(*value)}};
    }
    return same;
  }
  const Json* from = value_of(given, "from");
  const Json* value = first_value(given, "value", "content", "text");
  if (from == nullptr || value == nullptr) {
    raise("expected a message with role and content, or from and value, got {}", keys_of(given));
  }
  const std::string_view role = sharegpt_role(text_value(*from, "from"));
  if (role == "function_call") {
    Json calling = message("assistant", "");
    calling["tool_calls"] = tool_calls(text_value(*value, "value"));
    return calling;
  }
  return Json{{"role", role}, {"content", *value}};
}

/// Messages that a table holds as JSON text; nothing where the text is only a text.
inline std::optional<Json> messages_in_text(const std::string& text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos || text[start] != '[') return std::nullopt;
  std::string ignored;
  std::optional<Json> read = io::try_parse_json(text, ignored);
  if (!read || read->empty() || !read->front().is_object()) return std::nullopt;
  const Json& first = read->front();
  if (!first.contains("role") && !first.contains("from")) return std::nullopt;
  return read;
}

inline Json any_messages(const Json& list, std::string_view key) {
  if (list.is_string()) {
    if (const auto read = messages_in_text(list.get_ref<const std::string&>())) {
      return any_messages(*read, key);
    }
  }
  if (list.is_object()) return Json::array({any_message(list)});
  if (!list.is_array() || list.empty()) {
    raise("expected \"{}\" to be an array of at least one message", key);
  }
  Json messages = Json::array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    try {
      messages.push_back(any_message(list[i]));
    } catch (const Error& error) {
      raise("message {} of '{}': {}", i, key, error.what());
    }
    const Json& role = messages.back()["role"];
    if (!role.is_string() || role.get_ref<const std::string&>().empty()) {
      raise("message {} of '{}': expected an object with a \"role\"", i, key);
    }
  }
  return messages;
}

/// Text stays text, a message or a list of them (or a text that is such a list) are messages.
inline Passage passage(const Json& value, std::string_view key) {
  Passage result;
  if (value.is_string() && !messages_in_text(value.get_ref<const std::string&>())) {
    result.text = value.get_ref<const std::string&>();
  } else {
    result.messages = any_messages(value, key);
  }
  return result;
}

inline Passage conversation(Json messages) {
  Passage result;
  result.messages = std::move(messages);
  return result;
}

/// A list or object that may be written as JSON text, as tables have it.
inline Json structured(const Json& sample, std::string_view key, Json::value_t type) {
  const Json* found = value_of(sample, key);
  if (found == nullptr) return nullptr;
  Json value = *found;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return nullptr;
    std::string problem;
    std::optional<Json> read = io::try_parse_json(text, problem);
    if (!read) raise("expected \"{}\" to be JSON, got another text ({})", key, problem);
    value = *std::move(read);
    if (value.is_null()) return nullptr;
  }
  if (value.type() != type) {
    raise("expected \"{}\" to be an {}, got {}", key,
          type == Json::value_t::array ? "array" : "object", value.type_name());
  }
  return value;
}

inline TemplateInputs template_inputs(const Json& sample) {
  return {structured(sample, "tools", Json::value_t::array),
          structured(sample, "documents", Json::value_t::array),
          structured(sample, "chat_template_kwargs", Json::value_t::object)};
}

/// The text of a sample's system column; empty where it has none.
inline std::string system_text(const Json& sample) {
  const Json* system = first_value(sample, "system", "system_prompt");
  return system == nullptr ? "" : text_value(*system, "system");
}

/// The system column becomes the first message, unless that is a system message already. Texts
/// have no place for it.
inline void put_system_first(Json& messages, const Json& sample) {
  std::string text = system_text(sample);
  if (text.empty() || (!messages.empty() && messages[0]["role"] == "system")) return;
  messages.insert(messages.begin(), message("system", std::move(text)));
}
inline void put_system_first(Passage& prompt, const Json& sample) {
  if (!prompt.is_text()) {
    put_system_first(prompt.messages, sample);
  } else if (!system_text(sample).empty()) {
    fail(
        "the sample has a system message and its other parts are texts, which have no place for "
        "it; hint: write the prompt as messages, or the system message into the prompt");
  }
}

/// The messages before the answer of an Alpaca sample: system, earlier rounds, instruction with its
/// input.
inline Json alpaca_prompt(const Json& sample) {
  Json messages = Json::array();
  if (const Json* history = value_of(sample, "history")) {
    if (!history->is_array()) fail("expected 'history' to be a list of [question, answer]");
    for (const Json& round : *history) {
      if (!round.is_array() || round.size() != 2) {
        fail("expected 'history' to be a list of [question, answer]");
      }
      messages.push_back(message("user", text_value(round[0], "history")));
      messages.push_back(message("assistant", text_value(round[1], "history")));
    }
  }
  std::string asked = text_value(sample.at("instruction"), "instruction");
  if (const Json* input = value_of(sample, "input")) {
    const std::string& more = text_value(*input, "input");
    if (!more.empty()) asked += (asked.empty() ? "" : "\n\n") + more;
  }
  messages.push_back(message("user", std::move(asked)));
  put_system_first(messages, sample);
  return messages;
}

/// The messages that a sample without "prompt" puts before an answer; null where it has none.
inline Json prompt_messages(const Json& sample) {
  for (const char* key : {"messages", "Messages", "conversations"}) {
    if (const Json* list = value_of(sample, key)) {
      Json messages = any_messages(*list, key);
      put_system_first(messages, sample);
      return messages;
    }
  }
  if (value_of(sample, "instruction") != nullptr) return alpaca_prompt(sample);
  for (const char* key : {"question", "problem", "query", "input", "context"}) {
    if (const Json* asked = value_of(sample, key)) {
      Json messages = Json::array({message("user", text_value(*asked, key))});
      put_system_first(messages, sample);
      return messages;
    }
  }
  return nullptr;
}

}  // namespace posttrain::data::detail
