// SPDX-License-Identifier: Apache-2.0
// Reading tokens one by one, with errors that name the place and what was expected there.
//
// The last token (kEnd) comes again and again, so that no reader runs past the end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/token.hpp"

namespace posttrain::text::jinja {

class TokenStream {
 public:
  /// `tokens` end with a kEnd.
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// An error at the next token.
  [[noreturn]] void error(std::string_view message) const { raise_at(peek().place, message); }

  const Token& peek(std::size_t ahead = 0) const { return at(at_ + ahead); }
  Token next() { return at(at_++); }
  void skip(std::size_t count = 1) { at_ += count; }
  /// Makes the token that was read last the next one again.
  void back() { --at_; }

  std::size_t position() const { return at_; }
  /// The token at a position, however far it was read.
  const Token& at(std::size_t position) const {
    return tokens_[std::min(position, tokens_.size() - 1)];
  }

  bool is_operator(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kOperator && peek(ahead).text == text;
  }
  bool is_name(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kName && peek(ahead).text == text;
  }
  bool skip_operator(std::string_view text) { return is_operator(text) && (++at_, true); }
  bool skip_name(std::string_view text) { return is_name(text) && (++at_, true); }
  void expect_operator(std::string_view text) {
    if (!skip_operator(text)) error(fmt::format("expected '{}', got '{}'", text, peek().spelled()));
  }
  void expect_name(std::string_view text) {
    if (!skip_name(text)) error(fmt::format("expected '{}', got '{}'", text, peek().spelled()));
  }
  std::string name() {
    if (peek().kind != TokenKind::kName) {
      error(fmt::format("expected a name, got '{}'", peek().spelled()));
    }
    return next().text;
  }
  void expect_block_end() {
    if (peek().kind != TokenKind::kBlockEnd) {
      error(fmt::format("expected '%}}', got '{}'", peek().spelled()));
    }
    ++at_;
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace posttrain::text::jinja
