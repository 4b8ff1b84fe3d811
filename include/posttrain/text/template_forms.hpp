// SPDX-License-Identifier: Apache-2.0
// The form in which a chat template takes what data holds in two: arguments of tool calls (a JSON
// object, or OpenAI's text of one) and contents (a text, or a list of parts that are texts).
//
// Templates print the wrong form without complaint: `arguments | tojson` makes a text of a text,
// `'' ~ content` prints a list with its brackets. So each form is rendered once with a sentinel in
// its place, and the form that the template prints as it is meant is the one that it gets.
// (minja's capabilities `requires_object_arguments` and `requires_typed_content` are such probes.)
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/text/chat_renderer.hpp"

namespace posttrain::text {

class TemplateForms {
 public:
  /// The messages in the forms that the template takes; nothing where they are in these already.
  ///
  /// Arguments that are the text of a JSON object (or blank: no arguments) become that object where
  /// the template does not print a text as it stands and does print an object; not where
  /// `parse_arguments` is false. A list of texts becomes one text, the parts one behind the other,
  /// where the template prints a text and not the texts of a list.
  std::optional<Json> adapted(const ChatRenderer& renderer, const Json& messages, const Json& tools,
                              bool parse_arguments = true) const;

 private:
  static constexpr std::array kCallFields = {"tool_calls", "function_call"};

  /// The messages with lists joined; with these and parsed arguments; and as given. A probe of one
  /// value needs a conversation in which no other one stops the template. None where the messages
  /// hold nothing in two forms.
  using Bases = std::vector<Json>;
  static Bases bases_of(const Json& messages);

  bool takes_object(const ChatRenderer& renderer, const Bases& bases, const Json& tools,
                    std::size_t i, const char* field) const;
  bool takes_text(const ChatRenderer& renderer, const Bases& bases, const Json& tools,
                  std::size_t i) const;

  /// Answers of probes by kind (field, role, with tools or without); shared by copies, which differ
  /// in variables alone.
  struct Known {
    std::mutex mutex;
    std::map<std::string, bool> answers;
  };
  /// The known answer to `kind`, else the first that `probe(base)` gives, which is kept; false
  /// where it gives none.
  template <class Probe>
  bool answer(const std::string& kind, const Bases& bases, const Probe& probe) const;

  std::shared_ptr<Known> known_ = std::make_shared<Known>();
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/template_forms.ipp"
#endif
