// SPDX-License-Identifier: Apache-2.0
// Chat templates: the Jinja dialect that transformers runs for `apply_chat_template`.
//
// Rendering gives the same text as transformers: block white space trimmed, `tojson` without ASCII
// escapes, undefined names printed as nothing, lists and dicts not to be changed. Templates are
// strangers' programs: steps, nesting and output are bounded, and an error is one line with a line
// number.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/jinja/evaluator.hpp"
#include "posttrain/text/jinja/filters.hpp"
#include "posttrain/text/jinja/parser.hpp"
#include "posttrain/text/jinja/tests.hpp"

namespace posttrain::text {

using Json = nlohmann::ordered_json;

class ChatTemplate {
 public:
  using Rendered = jinja::Output;

  /// Parses a template; a syntax error names its line.
  static ChatTemplate parse(std::string_view source) {
    ChatTemplate made;
    made.body_ = std::make_shared<const jinja::Body>(jinja::Parser(source).run());
    return made;
  }

  /// Renders with the given variables, an object.
  std::string render(const Json& context) const { return render_marked(context).text; }

  /// The same, with the byte ranges that `{% generation %}` blocks wrote.
  Rendered render_marked(const Json& context) const {
    if (!context.is_object()) fail("expected an object as a template's variables");
    jinja::Evaluator evaluator(jinja::Value::from_json(context).dict());
    return evaluator.run(*body_);
  }

  /// Renders a conversation as transformers' apply_chat_template does. `tools`: null or an array;
  /// `extra`: null or an object with more variables (bos_token, enable_thinking, …).
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt,
                     const Json& extra = nullptr) const {
    return render(context(messages, tools, add_generation_prompt, extra));
  }

  /// The variables of a conversation: fields that are null are dropped from messages, and
  /// reasoning is offered under the names reasoning_content and thinking.
  static Json context(const Json& messages, const Json& tools, bool add_generation_prompt,
                      const Json& extra = nullptr) {
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
      for (const auto& [key, value] : extra.items()) context[key] = value;
    }
    return context;
  }

 private:
  static Json message_variables(const Json& message) {
    Json fields = Json::object();
    const Json* reasoning = nullptr;
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      if (reasoning == nullptr && message.contains(name) && !message.at(name).is_null()) {
        reasoning = &message.at(name);
      }
    }
    if (reasoning != nullptr) fields["thinking"] = *reasoning;
    for (const auto& [key, value] : message.items()) {
      if (!value.is_null()) fields[key] = value;
    }
    if (reasoning != nullptr) fields["reasoning_content"] = *reasoning;
    return fields;
  }

  std::shared_ptr<const jinja::Body> body_;
};

}  // namespace posttrain::text
