// SPDX-License-Identifier: Apache-2.0
// Conversations to token ids, with the spans that the assistant wrote.
//
// Spans follow from rendering prefixes of the conversation, never from token values: the prompt of
// turn i is the rendering of the messages before it plus the generation prompt, its end the
// terminator in the rendering up to it. Text is tokenised in stretches cut at those places, so the
// ids of a prompt are exactly those that inference sees. Rendered text gets no further special
// tokens (TRL's double BOS). A template that rewrites earlier turns is refused by `Turns::all`.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/text/chat_files.hpp"
#include "posttrain/text/chat_template.hpp"
#include "posttrain/text/tokenizer.hpp"

namespace posttrain::text {

/// Tokens [begin, end).
struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

struct EncodedChat {
  std::string text;
  TokenIds ids;
  std::vector<Span> assistant_spans;  // content and terminator of each assistant turn, in order
};

/// Which assistant turns of a conversation are trained, and in how many samples.
enum class Turns {
  all,   // one sample with every turn; needs a template that never rewrites earlier turns
  each,  // one sample per turn, each seen as the last of its conversation
  last   // one sample with the last turn only
};

class ChatTokenizer {
 public:
  explicit ChatTokenizer(const ChatFiles& files);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool has_template() const { return !templates_.empty(); }

  std::string bos_token() const;
  std::string eos_token() const;
  /// Every id that ends a turn or a text: generation_config ∪ config ∪ eos_token ∪ terminator.
  const std::set<TokenId>& eos_ids() const { return eos_ids_; }
  /// What ends an assistant turn in the template ("<|im_end|>"); empty where nothing does.
  const std::string& terminator() const { return terminator_; }

  /// A further variable for the templates, such as enable_thinking.
  void set_variable(const std::string& name, Json value);

  /// Renders with the template of this name ("rag") from now on. Without, as transformers chooses:
  /// "tool_use", if there is one, for conversations with tools, else "default".
  void use_template(const std::string& name);

  /// The text of a conversation. `tools`: null or an array.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt) const;

  /// Text, ids and assistant spans. A turn that the template rewrites later has a span only where
  /// it can be told from the rendered text.
  EncodedChat encode(const Json& messages, const Json& tools = nullptr,
                     bool add_generation_prompt = false) const;

  /// Training sequences of a sample {"messages": […], "tools"?: […], "documents"?: […],
  /// "chat_template_kwargs"?: {…}, "unmask"?: bool}. The loss is
  /// on assistant turns (content, reasoning, tool calls, terminator); with `unmask`, the argument
  /// or the field, also on the content of all other messages except system ones. A conversation
  /// that trains nothing is an error.
  std::vector<Sequence> training_sequences(const Json& sample, Turns turns = Turns::all,
                                           bool unmask = false) const;

 private:
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

  /// The variables that a sample brings for the template.
  static Json sample_variables(const Json& sample);

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

  EncodedChat tokenize(std::string text, const std::vector<Bytes>& spans) const;

  Sequence all_turns(const Json& messages, const Json& tools,
                     const std::vector<std::size_t>& assistants, bool unmask) const;

  Sequence one_turn(const Json& messages, const Json& tools, std::size_t i, std::size_t from,
                    bool unmask) const;

  /// The places of message `j`'s texts: its content, or the texts of its parts.
  static std::vector<Json::json_pointer> texts(const Json& messages, std::size_t j);

  /// Where the contents of messages [from, to) that are neither system nor assistant stand in the
  /// rendering `full`: what changes when the content is swapped for a sentinel.
  std::vector<Bytes> contents(const Json& messages, const Json& tools, std::size_t from,
                              std::size_t to, const std::string& full) const;

  /// Tokens and weights. Stretches between assistant turns are never cut, since inference sees them
  /// whole: the tokens of `others` inside them are those that neither the text before nor the text
  /// after would have alone.
  Sequence sequence(const std::string& text, const std::vector<Bytes>& spans,
                    const std::vector<Bytes>& others) const;

  Tokenizer tokenizer_;
  std::vector<std::pair<std::string, ChatTemplate>> templates_;
  std::string template_;             // the one to use; empty: as transformers chooses
  Json variables_ = Json::object();  // special tokens and what the user sets
  std::set<TokenId> eos_ids_;
  std::string terminator_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/chat_tokenizer_impl.hpp"
#endif
