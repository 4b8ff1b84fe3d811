// SPDX-License-Identifier: Apache-2.0
// Cuts the inside of a tag into names, literals and operators.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/source_text.hpp"
#include "posttrain/jinja/token.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

class TagLexer {
 public:
  TagLexer(const SourceText& source, std::vector<Token>& tokens)
      : source_(source), tokens_(tokens) {}

  /// Adds the tokens of the tag whose inside starts at `at`, and its end. Returns the place behind
  /// the end, and in `sign` the "-" or "+" before it.
  std::size_t run(std::size_t at, bool print, char& sign) {
    const std::size_t begin = at;
    const std::string_view close = print ? "}}" : "%}";
    std::string open;  // brackets that wait for their partner
    at_ = at;
    while (at_ < source_.size()) {
      const std::string_view rest = source_.from(at_);
      if (open.empty()) {
        sign = '\0';
        std::string_view end = rest;
        if (end[0] == '-' || (end[0] == '+' && !print)) {
          sign = end[0];
          end.remove_prefix(1);
        }
        if (end.starts_with(close)) {
          push(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
          return at_ + (sign != '\0' ? 1U : 0U) + 2U;
        }
      }
      const char c = rest[0];
      if (const std::size_t blank = leading_whitespace(rest); blank > 0) {
        at_ += blank;
      } else if (is_name_start(c)) {
        std::size_t n = 1;
        while (n < rest.size() && (is_name_start(rest[n]) || is_digit(rest[n]))) ++n;
        push(TokenKind::kName, std::string(rest.substr(0, n)));
        at_ += n;
      } else if (is_digit(c)) {
        number(rest);
      } else if (c == '"' || c == '\'') {
        string(rest);
      } else {
        operator_token(rest, open);
      }
    }
    source_.error(begin, fmt::format("the tag has no '{}'", close));
  }

 private:
  void push(TokenKind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), source_.place(at_)});
  }

  static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  /// Digits with single underscores between them; returns their end.
  template <class IsDigit>
  static std::size_t digits(std::string_view rest, std::size_t n, std::string& out,
                            IsDigit&& fits) {
    while (n < rest.size()) {
      const std::size_t skip = rest[n] == '_' ? 1 : 0;
      if (n + skip >= rest.size() || !fits(rest[n + skip])) break;
      out += rest[n + skip];
      n += skip + 1;
    }
    return n;
  }

  void number(std::string_view rest) {
    std::string text;
    const char mark = rest.size() > 1 ? static_cast<char>(rest[1] | 0x20) : '\0';
    if (rest[0] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) {
      const std::size_t n = digits(rest, 2, text, [mark](char c) {
        const char low = static_cast<char>(c | 0x20);
        if (mark == 'x' && low >= 'a' && low <= 'f') return true;
        return c >= '0' && c <= (mark == 'x' ? '9' : mark == 'o' ? '7' : '1');
      });
      if (!text.empty()) {
        push(TokenKind::kInteger, std::string("0") + mark + text);
        at_ += n;
        return;
      }
    }
    std::size_t n = digits(rest, 0, text, is_digit);
    bool is_float = false;
    if (n + 1 < rest.size() && rest[n] == '.' && is_digit(rest[n + 1])) {
      is_float = true;
      text += '.';
      n = digits(rest, n + 1, text, is_digit);
    }
    if (n + 1 < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
      std::size_t m = n + 1;
      if (rest[m] == '+' || rest[m] == '-') ++m;
      if (m < rest.size() && is_digit(rest[m])) {
        is_float = true;
        text += rest.substr(n, m - n);
        n = digits(rest, m, text, is_digit);
      }
    }
    if (!is_float && text[0] == '0' && text.find_first_not_of('0') != std::string::npos) {
      source_.error(at_, "expected no leading zeros in an integer, got " + text);
    }
    push(is_float ? TokenKind::kFloat : TokenKind::kInteger, text);
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
    if (n >= rest.size()) source_.error(at_, "the string has no end");
    push(TokenKind::kString, text);
    at_ += n + 1;
  }

  /// One escape sequence as Python reads it; returns its length. Unknown ones stay as they are.
  std::size_t escape(std::string_view rest, std::string& text) const {
    constexpr std::string_view kNames = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char c = rest[1];
    if (const auto known = kNames.find(c); known != std::string_view::npos) {
      text += kMeanings[known];
      return 2;
    }
    if (c == '\n') return 2;
    if (c == 'N') source_.error(at_, "characters by name (\\N{…}) are not supported");
    const std::size_t hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex > 0) {
      char32_t code = 0;
      for (std::size_t i = 2; i < 2 + hex; ++i) {
        const char d = i < rest.size() ? rest[i] : '\0';
        const bool letter = (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F');
        if (!is_digit(d) && !letter) source_.error(at_, "the string has a truncated \\ escape");
        code = code * 16 + static_cast<char32_t>(letter ? (d | 0x20) - 'a' + 10 : d - '0');
      }
      if (code > 0x10FFFF) source_.error(at_, "the string escapes a character beyond Unicode");
      append_utf8(text, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
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
        push(TokenKind::kOperator, std::string(two));
        at_ += 2;
        return;
      }
    }
    const char c = rest[0];
    if (std::string_view("+-/*%~[](){}=<>.:|,;").find(c) == std::string_view::npos) {
      source_.error(at_, fmt::format("unexpected '{}'", rest.substr(0, decode_utf8(rest, 0).size)));
    }
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char partner = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != partner) {
        source_.error(at_, fmt::format("unexpected '{}'", c));
      }
      open.pop_back();
    }
    push(TokenKind::kOperator, std::string(1, c));
    ++at_;
  }

  const SourceText& source_;
  std::vector<Token>& tokens_;
  std::size_t at_ = 0;
};

}  // namespace posttrain::text::jinja
