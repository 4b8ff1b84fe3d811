// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_template.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/from_json.hpp"
#include "posttrain/jinja/limits.hpp"
#include "posttrain/jinja/parser.hpp"
#include "posttrain/text/chat_template.hpp"

namespace posttrain::text {

struct ChatTemplate::Parsed {
  jinja::Tree tree;
};

POSTTRAIN_INLINE ChatTemplate ChatTemplate::parse(std::string_view source) {
  ChatTemplate made;
  made.parsed_ = std::make_shared<const Parsed>(Parsed{jinja::Parser(source).run()});
  return made;
}

POSTTRAIN_INLINE std::string ChatTemplate::render(const Json& context) const {
  return render_marked(context).text;
}

POSTTRAIN_INLINE ChatTemplate::Rendered ChatTemplate::render_marked(const Json& context) const {
  if (!context.is_object()) fail("expected an object as a template's variables");
  const jinja::Account reading(jinja::kMostSteps);
  jinja::Dict variables = jinja::from_json(context).dict();
  const std::int64_t most = jinja::steps_for_data(jinja::budget().held);
  return jinja::Evaluator(parsed_->tree, std::move(variables), most).run();
}

POSTTRAIN_INLINE Json ChatTemplate::context(const Json& messages, const Json& tools,
                                            bool add_generation_prompt, const Json& extra) {
  if (!messages.is_array() || messages.empty()) {
    fail("expected \"messages\" to be an array of at least one message");
  }
  Json plain = Json::array();
  for (const Json& message : messages) {
    if (!message.is_object()) {
      raise("expected every message to be an object, got {}", message.type_name());
    }
    plain.push_back(message_variables(message));
  }
  Json context = Json::object();
  context["messages"] = std::move(plain);
  context["tools"] = tools;
  context["documents"] = nullptr;
  context["add_generation_prompt"] = add_generation_prompt;
  if (extra.is_object()) {
    // Assigning under a key looks through those before: hours for a hundred thousand.
    auto& entries = context.get_ref<Json::object_t&>();
    const auto given = entries.size();
    for (const auto& [key, value] : extra.items()) {
      const auto end = entries.begin() + static_cast<std::ptrdiff_t>(given);
      const auto found = std::find_if(
          entries.begin(), end, [&name = key](const auto& entry) { return entry.first == name; });
      if (found != end) {
        found->second = value;
      } else {
        entries.emplace_back(key, value);
      }
    }
  }
  return context;
}

POSTTRAIN_INLINE Json ChatTemplate::message_variables(const Json& message) {
  Json fields = Json::object();
  const Json* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (reasoning == nullptr && message.contains(name) && !message.at(name).is_null()) {
      reasoning = &message.at(name);
    }
  }
  if (reasoning != nullptr) fields["thinking"] = *reasoning;
  auto& entries = fields.get_ref<Json::object_t&>();
  for (const auto& [key, value] : message.items()) {
    if (value.is_null()) continue;
    if (reasoning != nullptr && key == "thinking") {
      entries.front().second = value;
    } else {
      entries.emplace_back(key, value);  // looked for by no one: a message has each key once
    }
  }
  if (reasoning != nullptr) fields["reasoning_content"] = *reasoning;
  return fields;
}

}  // namespace posttrain::text
