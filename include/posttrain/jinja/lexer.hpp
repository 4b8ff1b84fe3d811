// SPDX-License-Identifier: Apache-2.0
// Cuts a template into text and the tokens of its tags, with transformers' white-space settings
// (trim_blocks, lstrip_blocks; a final newline is dropped).
//
// "-" beside a delimiter strips all white space there; otherwise a block or comment swallows the
// newline after it and the blanks before it on its line, unless "+" says not to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/jinja/source_text.hpp"
#include "posttrain/jinja/token.hpp"

namespace posttrain::text::jinja {

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  /// The tokens, with a kEnd behind them.
  std::vector<Token> run();

 private:
  void push(TokenKind kind, std::string text);
  void push_text(std::string text);

  // Between tags.
  std::size_t next_tag(std::size_t from) const;
  /// Strips the end of a text before a tag that opens with `sign`.
  void strip_before(std::string& text, char sign, bool lstrip) const;
  /// Skips whatever "-" or trim_blocks swallow behind a tag.
  void strip_after(char sign, bool trim);
  void comment(std::size_t tag);
  /// Whether the inside of a tag that starts at `from` is just `name`; `end` is behind the tag.
  bool bare_tag(std::size_t from, std::string_view name, std::size_t& end) const;
  void raw_block(std::size_t tag, std::size_t begin);

  // Within a tag.
  /// Adds the tokens of the tag that starts here, and its end; returns the "-" or "+" before that.
  char tag_tokens(bool print);
  void number(std::string_view rest);
  void string(std::string_view rest);
  /// One escape sequence as Python reads it; returns its length. Unknown ones stay as they are.
  std::size_t escape(std::string_view rest, std::string& text) const;
  /// One operator; `open` holds the brackets that wait for their partner.
  void operator_token(std::string_view rest, std::string& open);

  SourceText source_;
  std::size_t at_ = 0;
  bool line_start_ = true;  // nothing but a swallowed newline stands before the next text
  std::vector<Token> tokens_;
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/lexer.ipp"
#endif
