// SPDX-License-Identifier: Apache-2.0
// Where the turns and contents of a conversation stand in its rendered text, in bytes.
//
// A turn starts where the rendering of the messages before it, with the generation prompt, ends; it
// ends behind its terminator. Contents are found by swapping them for a sentinel. Where that cannot
// tell a turn (it opens the conversation, its prompt is rendered differently once it follows, or
// later messages change it), `{% generation %}` blocks do, if the template has them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/text/chat_renderer.hpp"

namespace posttrain::text {

class ChatSpans {
 public:
  /// Keeps a reference to `renderer`.
  explicit ChatSpans(const ChatRenderer& renderer) : renderer_(renderer) {}

  struct Bytes {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  struct Turn {
    std::string text;  // the rendering up to and with the turn
    Bytes span;
    std::size_t rendered = 0;  // bytes of the text without what closes a turn that is left open
  };

  /// The turn of assistant message `i` as the last of its conversation. A template that does not
  /// let its prompt be told is an error.
  Turn last_turn(const Json& messages, const Json& tools, std::size_t i) const;

  /// The span of assistant message `i` in the rendering `full` of the whole conversation, or
  /// nothing where it cannot be told.
  std::optional<Bytes> find_turn(const Json& messages, const Json& tools, std::size_t i,
                                 const ChatTemplate::Rendered& full) const;

  /// Where the contents of messages [from, to) that are to be scored but not by the assistant stand
  /// in the rendering `full`: the text that changes when the content is swapped for a sentinel.
  /// `unmask` has all scored but the system's; a message's own weight goes before it.
  std::vector<Bytes> contents(const Json& messages, const Json& tools, std::size_t from,
                              std::size_t to, const std::string& full, bool unmask) const;

 private:
  /// The text that the generation blocks of assistant message `i` wrote, and the turn's terminator;
  /// nothing where the template has none, or where they cannot be told from those of other turns.
  std::optional<Bytes> marked_turn(const Json& messages, const Json& tools, std::size_t i,
                                   const ChatTemplate::Rendered& rendered) const;

  /// find_turn, from rendering prefixes alone.
  std::optional<Bytes> rendered_turn(const Json& messages, const Json& tools, std::size_t i,
                                     const std::string& full) const;

  std::size_t turn_begin(const Json& messages, const Json& tools, std::size_t i,
                         const std::string& text) const;

  /// The end of the turn's terminator; nothing where the turn is left open.
  std::optional<std::size_t> turn_end(const std::string& text, std::size_t begin) const;

  /// The places of message `j`'s texts: its content, or the texts of its parts.
  static std::vector<Json::json_pointer> texts(const Json& messages, std::size_t j);

  const ChatRenderer& renderer_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/chat_spans.ipp"
#endif
