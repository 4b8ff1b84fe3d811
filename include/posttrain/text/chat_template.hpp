// SPDX-License-Identifier: Apache-2.0
// Chat templates: the Jinja dialect that transformers runs for `apply_chat_template`.
//
// Rendering gives the same text as transformers: block white space trimmed, `tojson` without ASCII
// escapes, undefined names printed as nothing, lists and dicts not to be changed. Templates are
// strangers' programs: steps, nesting and output are bounded, and an error is one line with a line
// number.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/jinja/output.hpp"

namespace posttrain::text {

class ChatTemplate {
 public:
  using Rendered = jinja::Output;

  /// Parses a template; a syntax error names its line.
  static ChatTemplate parse(std::string_view source);

  /// Renders with the given variables, an object.
  std::string render(const Json& context) const;

  /// The text, and the byte ranges that `{% generation %}` blocks wrote.
  Rendered render_marked(const Json& context) const;

  /// Renders a conversation as transformers' apply_chat_template does. `tools`: null or an array;
  /// `extra`: null or an object with more variables (bos_token, enable_thinking, …).
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt,
                     const Json& extra = nullptr) const {
    return render(context(messages, tools, add_generation_prompt, extra));
  }

  /// The variables of a conversation: fields that are null are dropped from messages, and
  /// reasoning is offered under the names reasoning_content and thinking.
  static Json context(const Json& messages, const Json& tools, bool add_generation_prompt,
                      const Json& extra = nullptr);

 private:
  static Json message_variables(const Json& message);

  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/chat_template.ipp"
#endif
