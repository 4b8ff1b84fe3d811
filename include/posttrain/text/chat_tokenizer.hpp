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
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/text/chat_files.hpp"
#include "posttrain/text/chat_renderer.hpp"
#include "posttrain/text/chat_spans.hpp"
#include "posttrain/text/chat_template.hpp"
#include "posttrain/text/conversation.hpp"
#include "posttrain/text/rendered_fields.hpp"
#include "posttrain/text/template_forms.hpp"
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

/// The assistant turns of a conversation that are trained, and in how many samples.
enum class Turns {
  all,   // one sample with every turn; needs a template that never rewrites earlier turns
  each,  // one sample per turn, each seen as the last of its conversation
  last   // one sample with the last turn only
};

class ChatTokenizer {
 public:
  explicit ChatTokenizer(const ChatFiles& files);

  const Tokenizer& tokenizer() const { return renderer_.tokenizer(); }
  bool has_template() const { return renderer_.has_template(); }

  std::string bos_token() const { return renderer_.bos_token(); }
  std::string eos_token() const { return renderer_.eos_token(); }
  std::string pad_token() const { return renderer_.pad_token(); }
  /// The end of an assistant's turn in the template ("<|im_end|>"); empty where nothing ends it.
  const std::string& terminator() const { return renderer_.terminator(); }
  /// Every id that ends a turn or a text: generation_config ∪ config ∪ eos_token ∪ terminator.
  const std::set<TokenId>& eos_ids() const { return eos_ids_; }

  /// Differs where files, variables or the chosen template do.
  std::string fingerprint() const {
    return renderer_.fingerprint() + (parse_arguments_ ? "" : " arguments as they are");
  }

  /// A further variable for the templates, such as enable_thinking.
  void set_variable(const std::string& name, Json value);

  /// Renders with the template of this name from now on (ChatRenderer::use_template).
  void use_template(const std::string& name) {
    renderer_.use_template(name);
    fields_ = RenderedFields();
    forms_ = TemplateForms();
  }

  /// Whether training sequences and prompts get arguments of tool calls that are the text of a JSON
  /// object as that object, where the template wants one (text/template_forms.hpp). Default: true.
  void set_parse_arguments(bool parse) { parse_arguments_ = parse; }

  /// The text of a conversation as it stands (TemplateForms has no part in it). `tools`: null or an
  /// array.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt) const;

  /// The text without a generation prompt, and the byte ranges that `{% generation %}` blocks
  /// wrote.
  ChatTemplate::Rendered render_marked(const Json& messages, const Json& tools) const;

  /// Text, ids and assistant spans. A turn that the template rewrites later has a span only where
  /// it can be told from the rendered text.
  EncodedChat encode(const Json& messages, const Json& tools = nullptr,
                     bool add_generation_prompt = false) const;

  /// The ids that inference sees of a conversation, up to where the assistant starts to write.
  TokenIds prompt_ids(const Conversation& conversation) const;

  /// Their text; without the generation prompt, that of the messages alone.
  std::string prompt_text(const Conversation& conversation,
                          bool add_generation_prompt = true) const;

  /// Training sequences of a conversation. The loss is on assistant turns (content, reasoning, tool
  /// calls, terminator); with `unmask`, the argument or the field, also on the content of all other
  /// messages except system ones. A message's own "weight" or "loss_weight" (0 or 1) goes before
  /// all that. A conversation that trains nothing is an error. Messages before number `first` are
  /// read only: a prompt.
  std::vector<Sequence> training_sequences(const Conversation& conversation,
                                           Turns turns = Turns::all, bool unmask = false,
                                           std::size_t first = 0) const;

 private:
  /// This one with further variables for the template.
  ChatTokenizer with_variables(const Json& own) const;

  /// `use(tokenizer, messages, tools)` of what the template gets of a conversation; an error for
  /// what it does not show.
  template <class Use>
  std::invoke_result_t<const Use&, const ChatTokenizer&, const Json&, const Json&> as_inference(
      const Conversation& conversation, const Use& use) const;

  EncodedChat tokenize(std::string text, const std::vector<ChatSpans::Bytes>& spans) const;

  /// An error where a trained turn ends with a token at which generation goes on.
  void check_stops(const EncodedChat& chat, const Span& turn) const;

  Sequence all_turns(const Json& messages, const Json& tools,
                     const std::vector<std::size_t>& assistants, std::size_t first,
                     bool unmask) const;

  Sequence one_turn(const Json& messages, const Json& tools, std::size_t i, std::size_t from,
                    bool unmask) const;

  /// Tokens and weights. Stretches between assistant turns are never cut, since inference sees them
  /// whole: the tokens of `others` inside them are those that neither the text before nor the text
  /// after would have alone.
  Sequence sequence(const std::string& text, const std::vector<ChatSpans::Bytes>& spans,
                    const std::vector<ChatSpans::Bytes>& others) const;

  ChatRenderer renderer_;
  RenderedFields fields_;
  TemplateForms forms_;
  bool parse_arguments_ = true;
  std::set<TokenId> eos_ids_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/chat_tokenizer.ipp"
#endif
