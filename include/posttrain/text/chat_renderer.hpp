// SPDX-License-Identifier: Apache-2.0
// Conversations as text, and where in it the turns and contents stand, in bytes.
//
// Everything follows from rendering prefixes of the conversation and from swapping contents for a
// sentinel (chat_tokenizer.hpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/hash.hpp"
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
  /// What ends an assistant turn in the template ("<|im_end|>"); empty where nothing does.
  const std::string& terminator() const { return terminator_; }

  /// Differs where files, variables or the chosen template do.
  std::string fingerprint() const;

  /// A further variable for the templates, such as enable_thinking.
  void set_variable(const std::string& name, Json value);

  /// Renders with the template of this name ("rag") from now on. Without, as transformers chooses:
  /// "tool_use", if there is one, for conversations with tools, else "default".
  void use_template(const std::string& name);

  /// The text of a conversation. `tools`: null or an array.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt) const;

 protected:
  struct Bytes {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  static constexpr const char* kSentinel = "\uE000";  // a private-use character stands for content

  static bool is_assistant(const Json& message);
  static std::string role(const Json& message);

  static void check_messages(const Json& messages);

  static Json first(const Json& messages, std::size_t count);

  /// Bytes that two texts share at their start, cut back to a whole character.
  static std::size_t common_prefix(std::string_view a, std::string_view b);

  const ChatTemplate& chosen(const Json& tools) const;

  /// `end`, or the start of a token that it would cut in two (between "<|return|>" and "<|end|>").
  std::size_t whole_tokens(std::string_view text, std::size_t end) const;

  /// What stands behind an assistant's content whatever follows: its last added token, else its
  /// text without trailing white space, else that white space.
  std::string derive_terminator() const;

  struct Turn {
    std::string text;  // the rendering up to and with the turn
    Bytes span;
  };

  /// The turn of assistant message `i` as the last of its conversation.
  Turn last_turn(const Json& messages, const Json& tools, std::size_t i) const;

  std::size_t turn_begin(const Json& messages, const Json& tools, std::size_t i,
                         const std::string& text) const;

  std::size_t turn_end(const std::string& text, std::size_t begin) const;

  /// The span of assistant message `i` in the rendering `full` of the whole conversation.
  std::optional<Bytes> find_turn(const Json& messages, const Json& tools, std::size_t i,
                                 const std::string& full) const;

  /// The places of message `j`'s texts: its content, or the texts of its parts.
  static std::vector<Json::json_pointer> texts(const Json& messages, std::size_t j);

  /// Where the contents of messages [from, to) that are to be scored but not by the assistant stand
  /// in the rendering `full`: what changes when the content is swapped for a sentinel. `unmask`
  /// has all scored but the system's; a message's own weight goes before it.
  std::vector<Bytes> contents(const Json& messages, const Json& tools, std::size_t from,
                              std::size_t to, const std::string& full, bool unmask) const;

  Tokenizer tokenizer_;
  std::vector<std::pair<std::string, ChatTemplate>> templates_;
  ContentHash::Value files_{};       // hash of what was read
  std::string template_;             // the one to use; empty: as transformers chooses
  Json variables_ = Json::object();  // special tokens and what the user sets
  std::string terminator_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/chat_renderer_impl.hpp"
#endif
