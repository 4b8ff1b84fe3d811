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

#include "posttrain/core/error.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text::jinja {

enum class TokenKind {
  kText,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int line = 1;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)) {
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag(at_);
      const bool found = tag != std::string::npos;
      std::string text = source_.substr(at_, (found ? tag : source_.size()) - at_);
      if (!found) {
        push(TokenKind::kText, text, line_);
        break;
      }
      const char kind = source_[tag + 1];
      const std::size_t sign_at = tag + 2;
      const char sign = sign_at < source_.size() ? source_[sign_at] : '\0';
      const int text_line = line_;
      line_ += count_lines(at_, tag);
      if (sign == '-') {
        text.resize(trimmed_length(text));
      } else if (sign != '+' && kind != '{') {
        strip_indent(text);
      }
      push(TokenKind::kText, text, text_line);
      at_ = sign_at + (sign == '-' || sign == '+' ? 1 : 0);
      if (kind == '#') {
        skip_comment();
      } else if (kind == '%' && is_raw()) {
        raw_block();
      } else {
        push(kind == '{' ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "", line_, true);
        tag_tokens(kind == '{');
      }
    }
    push(TokenKind::kEnd, "", line_, true);
    return std::move(tokens_);
  }

 private:
  static std::string with_plain_newlines(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        out += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        out += source[i];
      }
    }
    return is_valid_utf8(out) ? out : repair_utf8(out);
  }

  [[noreturn]] void error(std::string_view message) const {
    raise("chat template, line {}: {}", line_, message);
  }

  void push(TokenKind kind, std::string text, int line, bool even_empty = false) {
    if (text.empty() && !even_empty) return;
    tokens_.push_back({kind, std::move(text), line});
  }

  int count_lines(std::size_t begin, std::size_t end) const {
    int lines = 0;
    for (std::size_t i = begin; i < end; ++i) lines += source_[i] == '\n';
    return lines;
  }

  std::size_t next_tag(std::size_t from) const {
    for (std::size_t i = source_.find('{', from); i != std::string::npos;
         i = source_.find('{', i + 1)) {
      if (i + 1 < source_.size() &&
          (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) {
        return i;
      }
    }
    return std::string::npos;
  }

  /// Drops the blanks between the start of the tag's line and the tag.
  void strip_indent(std::string& text) const {
    const std::size_t newline = text.rfind('\n');
    if (newline == std::string::npos && !line_start_) return;
    const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
    if (leading_whitespace(std::string_view(text).substr(start)) == text.size() - start) {
      text.resize(start);
    }
  }

  /// Behind a tag's end: strips what "-" or trim_blocks ask for.
  void after_tag(char sign, bool trim) {
    const std::size_t from = at_;
    if (sign == '-') {
      at_ += leading_whitespace(std::string_view(source_).substr(at_));
    } else if (trim && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    line_ += count_lines(from, at_);
    line_start_ = at_ > from && source_[at_ - 1] == '\n';
  }

  void skip_comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) error("the comment has no '#}'");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    line_ += count_lines(at_, end);
    at_ = end + 2;
    after_tag(sign, true);
  }

  /// The place after `{% name` … `%}` when a tag that starts at `from` (inside) is just that name.
  bool bare_tag(std::size_t from, std::string_view name, std::size_t& end, char& sign) const {
    const std::string_view source = source_;
    from += leading_whitespace(source.substr(from));
    if (!source.substr(from).starts_with(name)) return false;
    from += name.size();
    from += leading_whitespace(source.substr(from));
    sign = from < source.size() ? source[from] : '\0';
    if (sign == '-' || sign == '+') ++from;
    if (!source.substr(from).starts_with("%}")) return false;
    end = from + 2;
    return true;
  }

  bool is_raw() const {
    std::size_t end = 0;
    char sign = '\0';
    return bare_tag(at_, "raw", end, sign);
  }

  void raw_block() {
    std::size_t end = 0;
    char sign = '\0';
    bare_tag(at_, "raw", end, sign);
    line_ += count_lines(at_, end);
    at_ = end;
    after_tag(sign, true);
    for (std::size_t i = source_.find("{%", at_); i != std::string::npos;
         i = source_.find("{%", i + 1)) {
      std::size_t inside = i + 2;
      const char open = inside < source_.size() ? source_[inside] : '\0';
      if (open == '-' || open == '+') ++inside;
      if (!bare_tag(inside, "endraw", end, sign)) continue;
      std::string text = source_.substr(at_, i - at_);
      if (open == '-') {
        text.resize(trimmed_length(text));
      } else if (open != '+') {
        strip_indent(text);
      }
      push(TokenKind::kText, text, line_);
      line_ += count_lines(at_, end);
      at_ = end;
      after_tag(sign, true);
      return;
    }
    error("the raw block has no '{% endraw %}'");
  }

  static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void tag_tokens(bool print) {
    const std::string_view close = print ? "}}" : "%}";
    std::string open;  // brackets that wait for their partner
    while (at_ < source_.size()) {
      const std::string_view rest = std::string_view(source_).substr(at_);
      if (open.empty()) {
        char sign = '\0';
        std::string_view end = rest;
        if (end[0] == '-' || (end[0] == '+' && !print)) {
          sign = end[0];
          end.remove_prefix(1);
        }
        if (end.starts_with(close)) {
          push(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "", line_, true);
          at_ += (sign != '\0' ? 1U : 0U) + 2U;
          after_tag(sign, !print);
          return;
        }
      }
      const char c = rest[0];
      if (const std::size_t blank = leading_whitespace(rest); blank > 0) {
        line_ += count_lines(at_, at_ + blank);
        at_ += blank;
      } else if (is_name_start(c)) {
        std::size_t n = 1;
        while (n < rest.size() && (is_name_start(rest[n]) || is_digit(rest[n]))) ++n;
        push(TokenKind::kName, std::string(rest.substr(0, n)), line_);
        at_ += n;
      } else if (is_digit(c)) {
        number(rest);
      } else if (c == '"' || c == '\'') {
        string(rest);
      } else {
        operator_token(rest, open);
      }
    }
    error(fmt::format("the tag has no '{}'", close));
  }

  void number(std::string_view rest) {
    std::string digits;
    std::size_t n = 0;
    bool is_float = false;
    const auto take = [&] {
      while (n < rest.size() && (is_digit(rest[n]) || rest[n] == '_')) {
        if (rest[n] != '_') digits += rest[n];
        ++n;
      }
    };
    take();
    if (n + 1 < rest.size() && rest[n] == '.' && is_digit(rest[n + 1])) {
      is_float = true;
      digits += rest[n++];
      take();
    }
    if (n + 1 < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
      std::size_t m = n + 1;
      if (rest[m] == '+' || rest[m] == '-') ++m;
      if (m < rest.size() && is_digit(rest[m])) {
        is_float = true;
        digits += rest.substr(n, m - n);
        n = m;
        take();
      }
    }
    push(is_float ? TokenKind::kFloat : TokenKind::kInteger, digits, line_);
    at_ += n;
  }

  void string(std::string_view rest) {
    const char mark = rest[0];
    std::string text;
    std::size_t n = 1;
    while (n < rest.size() && rest[n] != mark) {
      if (rest[n] != '\\' || n + 1 >= rest.size()) {
        text += rest[n++];
        continue;
      }
      n += escape(rest.substr(n), text);
    }
    if (n >= rest.size()) error("the string has no end");
    push(TokenKind::kString, text, line_, true);
    line_ += count_lines(at_, at_ + n);
    at_ += n + 1;
  }

  /// One escape sequence as Python reads it; returns its length. Unknown ones stay as they are.
  static std::size_t escape(std::string_view rest, std::string& text) {
    constexpr std::string_view kNames = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char c = rest[1];
    if (const auto known = kNames.find(c); known != std::string_view::npos) {
      text += kMeanings[known];
      return 2;
    }
    if (c == '\n') return 2;
    const std::size_t hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex > 0 && rest.size() >= 2 + hex) {
      char32_t code = 0;
      for (std::size_t i = 2; i < 2 + hex; ++i) {
        const char d = rest[i];
        const bool letter = (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F');
        if (!is_digit(d) && !letter) return text += "\\", 1;
        code = code * 16 + static_cast<char32_t>(letter ? (d | 0x20) - 'a' + 10 : d - '0');
      }
      append_utf8(text, code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0xFFFD : code);
      return 2 + hex;
    }
    if (c >= '0' && c <= '7') {
      char32_t code = 0;
      std::size_t n = 1;
      while (n < 4 && n < rest.size() && rest[n] >= '0' && rest[n] <= '7') {
        code = code * 8 + static_cast<char32_t>(rest[n++] - '0');
      }
      append_utf8(text, code);
      return n;
    }
    text += '\\';
    return 1;
  }

  void operator_token(std::string_view rest, std::string& open) {
    constexpr std::string_view kTwo[] = {"==", "!=", ">=", "<=", "//", "**"};
    for (const std::string_view two : kTwo) {
      if (rest.starts_with(two)) {
        push(TokenKind::kOperator, std::string(two), line_);
        at_ += 2;
        return;
      }
    }
    const char c = rest[0];
    if (std::string_view("+-/*%~[](){}=<>.:|,;").find(c) == std::string_view::npos) {
      error(fmt::format("unexpected '{}'", rest.substr(0, decode_utf8(rest, 0).size)));
    }
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char partner = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != partner) error(fmt::format("unexpected '{}'", c));
      open.pop_back();
    }
    push(TokenKind::kOperator, std::string(1, c), line_);
    ++at_;
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;  // nothing but a swallowed newline stands before what comes next
  std::vector<Token> tokens_;
};

}  // namespace posttrain::text::jinja
