// SPDX-License-Identifier: Apache-2.0
// Conversations as text: tokenizer, chat templates and special tokens of a model, and the text that
// ends an assistant's turn in its template.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/text/chat_files.hpp"
#include "posttrain/text/chat_template.hpp"
#include "posttrain/text/tokenizer.hpp"

namespace posttrain::text {

class ChatRenderer {
 public:
  ChatRenderer(const ChatFiles& files, const Json& tokenizer_config);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool has_template() const { return !templates_.empty(); }

  std::string bos_token() const;
  std::string eos_token() const;
  std::string pad_token() const;
  /// The end of an assistant's turn in the template ("<|im_end|>"); empty where nothing ends it.
  const std::string& terminator() const { return terminator_; }

  /// Differs where files, variables or the chosen template do.
  std::string fingerprint() const;

  /// A further variable for the templates, such as enable_thinking.
  void set_variable(const std::string& name, Json value);

  /// The value of a variable; null where it has none.
  Json variable(const std::string& name) const { return variables_.value(name, Json()); }

  /// A copy with the variables of one sample, an object. They do not change what ends a turn.
  ChatRenderer with_variables(const Json& own) const;

  /// Renders with the template of this name ("rag") from now on. Without, as transformers chooses:
  /// "tool_use", if there is one, for conversations with tools, else "default".
  void use_template(const std::string& name);

  /// The text of a conversation. `tools`: null or an array.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt) const;

  /// The text of the messages, or else of those up to message i, in which the sentinel for contents
  /// (text/conversation.hpp) stands; empty where neither shows it or the template has an error.
  std::string text_with_sentinel(const Json& messages, const Json& tools, std::size_t i) const;

  /// What the template writes behind an assistant's turn that it leaves open while the turn is the
  /// last: up to the first added token (the turn's end, or the marker of the next role) once
  /// message i + 1, or a user's, follows. `text` is the rendering of messages [0, i]; empty where
  /// nothing can be told.
  std::string closing(const Json& messages, const Json& tools, std::size_t i,
                      const std::string& text) const;

  /// The text without a generation prompt, and the byte ranges that `{% generation %}` blocks
  /// wrote.
  ChatTemplate::Rendered render_marked(const Json& messages, const Json& tools) const;

 private:
  const ChatTemplate& chosen(const Json& tools) const;

  /// `end`, or the start of a token that it would cut in two (between "<|return|>" and "<|end|>").
  std::size_t whole_tokens(std::string_view text, std::size_t end) const;

  std::optional<std::pair<std::size_t, std::size_t>> first_added_token(std::string_view text) const;

  /// The text behind an assistant's content whatever follows: eos_token where it stands there, else
  /// its last added token, else its text without trailing white space, else that white space. Where
  /// the last turn is left open, the first added token between it and a user's.
  std::string derive_terminator() const;

  Tokenizer tokenizer_;
  std::vector<std::pair<std::string, ChatTemplate>> templates_;
  ContentHash::Value files_{};       // hash of what was read
  std::string template_;             // the one to use; empty: as transformers chooses
  Json variables_ = Json::object();  // special tokens and what the user sets
  std::string terminator_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/chat_renderer.ipp"
#endif
