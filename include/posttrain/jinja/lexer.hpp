// SPDX-License-Identifier: Apache-2.0
// Cuts a template into text and the tokens of its tags, with transformers' white-space settings
// (trim_blocks, lstrip_blocks; a final newline is dropped).
//
// "-" beside a delimiter strips all white space there; otherwise a block or comment swallows the
// newline after it and the blanks before it on its line, unless "+" says not to.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/source_text.hpp"
#include "posttrain/jinja/tag_lexer.hpp"
#include "posttrain/jinja/token.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag(at_);
      if (tag == std::string_view::npos) {
        push_text(std::string(source_.from(at_)));
        at_ = source_.size();
        break;
      }
      std::string text(source_.view().substr(at_, tag - at_));
      const char kind = source_[tag + 1];
      const char sign = source_[tag + 2];
      strip_before(text, sign, kind != '{');
      push_text(std::move(text));
      at_ = tag + 2 + (sign == '-' || sign == '+' ? 1U : 0U);
      if (kind == '#') {
        comment(tag);
      } else if (std::size_t end = 0; kind == '%' && bare_tag(at_, "raw", end)) {
        raw_block(tag, end);
      } else {
        const bool print = kind == '{';
        tokens_.push_back(
            {print ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "", source_.place(tag)});
        char closing = '\0';
        at_ = TagLexer(source_, tokens_).run(at_, print, closing);
        strip_after(closing, !print);
      }
    }
    tokens_.push_back({TokenKind::kEnd, "", source_.place(source_.size())});
    return std::move(tokens_);
  }

 private:
  void push_text(std::string text) {
    if (!text.empty()) tokens_.push_back({TokenKind::kText, std::move(text), source_.place(at_)});
  }

  std::size_t next_tag(std::size_t from) const {
    const std::string_view view = source_.view();
    for (std::size_t i = view.find('{', from); i != std::string_view::npos;
         i = view.find('{', i + 1)) {
      const char c = source_[i + 1];
      if (c == '{' || c == '%' || c == '#') return i;
    }
    return std::string_view::npos;
  }

  /// Strips what stands before a tag that opens with `sign`.
  void strip_before(std::string& text, char sign, bool lstrip) const {
    if (sign == '-') {
      text.resize(trimmed_length(text));
    } else if (sign != '+' && lstrip) {
      const std::size_t newline = text.rfind('\n');
      if (newline == std::string::npos && !line_start_) return;
      const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
      if (leading_whitespace(std::string_view(text).substr(start)) == text.size() - start) {
        text.resize(start);
      }
    }
  }

  /// Skips what "-" or trim_blocks swallow behind a tag.
  void strip_after(char sign, bool trim) {
    const std::size_t from = at_;
    if (sign == '-') {
      at_ += leading_whitespace(source_.from(at_));
    } else if (trim && sign != '+' && source_[at_] == '\n') {
      ++at_;
    }
    line_start_ = at_ > from && source_[at_ - 1] == '\n';
  }

  void comment(std::size_t tag) {
    const std::size_t end = source_.view().find("#}", at_);
    if (end == std::string_view::npos) source_.error(tag, "the comment has no '#}'");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    at_ = end + 2;
    strip_after(sign, true);
  }

  /// Whether the inside of a tag that starts at `from` is just `name`; `end` is behind the tag.
  bool bare_tag(std::size_t from, std::string_view name, std::size_t& end) const {
    from += leading_whitespace(source_.from(from));
    if (!source_.from(from).starts_with(name)) return false;
    from += name.size();
    from += leading_whitespace(source_.from(from));
    if (source_[from] == '-' || source_[from] == '+') ++from;
    if (!source_.from(from).starts_with("%}")) return false;
    end = from + 2;
    return true;
  }

  void raw_block(std::size_t tag, std::size_t begin) {
    at_ = begin;
    strip_after(source_[begin - 3], false);
    const std::string_view view = source_.view();
    for (std::size_t i = view.find("{%", at_); i != std::string_view::npos;
         i = view.find("{%", i + 1)) {
      const char sign = source_[i + 2];
      std::size_t end = 0;
      if (!bare_tag(i + 2 + (sign == '-' || sign == '+' ? 1U : 0U), "endraw", end)) continue;
      std::string text(view.substr(at_, i - at_));
      strip_before(text, sign, true);
      push_text(std::move(text));
      at_ = end;
      strip_after(source_[end - 3], true);
      return;
    }
    source_.error(tag, "the raw block has no '{% endraw %}'");
  }

  SourceText source_;
  std::size_t at_ = 0;
  bool line_start_ = true;  // nothing but a swallowed newline stands before what comes next
  std::vector<Token> tokens_;
};

}  // namespace posttrain::text::jinja
