// SPDX-License-Identifier: Apache-2.0
// Definitions of lexer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/lexer.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

inline bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits with single underscores between them; returns their end.
template <class IsDigit>
std::size_t read_digits(std::string_view rest, std::size_t n, std::string& out, IsDigit&& fits) {
  while (n < rest.size()) {
    const std::size_t skip = rest[n] == '_' ? 1 : 0;
    if (n + skip >= rest.size() || !fits(rest[n + skip])) break;
    out += rest[n + skip];
    n += skip + 1;
  }
  return n;
}

POSTTRAIN_INLINE std::vector<Token> Lexer::run() {
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
      strip_after(tag_tokens(print), !print);
    }
  }
  tokens_.push_back({TokenKind::kEnd, "", source_.place(source_.size())});
  return std::move(tokens_);
}

POSTTRAIN_INLINE void Lexer::push(TokenKind kind, std::string text) {
  tokens_.push_back({kind, std::move(text), source_.place(at_)});
}

POSTTRAIN_INLINE void Lexer::push_text(std::string text) {
  if (!text.empty()) tokens_.push_back({TokenKind::kText, std::move(text), source_.place(at_)});
}

POSTTRAIN_INLINE std::size_t Lexer::next_tag(std::size_t from) const {
  const std::string_view view = source_.view();
  for (std::size_t i = view.find('{', from); i != std::string_view::npos;
       i = view.find('{', i + 1)) {
    const char c = source_[i + 1];
    if (c == '{' || c == '%' || c == '#') return i;
  }
  return std::string_view::npos;
}

POSTTRAIN_INLINE void Lexer::strip_before(std::string& text, char sign, bool lstrip) const {
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

POSTTRAIN_INLINE void Lexer::strip_after(char sign, bool trim) {
  const std::size_t from = at_;
  if (sign == '-') {
    at_ += leading_whitespace(source_.from(at_));
  } else if (trim && sign != '+' && source_[at_] == '\n') {
    ++at_;
  }
  line_start_ = at_ > from && source_[at_ - 1] == '\n';
}

POSTTRAIN_INLINE void Lexer::comment(std::size_t tag) {
  const std::size_t end = source_.view().find("#}", at_);
  if (end == std::string_view::npos) source_.error(tag, "the comment has no '#}'");
  const char sign = end > at_ ? source_[end - 1] : '\0';
  at_ = end + 2;
  strip_after(sign, true);
}

POSTTRAIN_INLINE bool Lexer::bare_tag(std::size_t from, std::string_view name,
                                      std::size_t& end) const {
  from += leading_whitespace(source_.from(from));
  if (!source_.from(from).starts_with(name)) return false;
  from += name.size();
  from += leading_whitespace(source_.from(from));
  if (source_[from] == '-' || source_[from] == '+') ++from;
  if (!source_.from(from).starts_with("%}")) return false;
  end = from + 2;
  return true;
}

POSTTRAIN_INLINE void Lexer::raw_block(std::size_t tag, std::size_t begin) {
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

POSTTRAIN_INLINE char Lexer::tag_tokens(bool print) {
  const std::size_t begin = at_;
  const std::string_view close = print ? "}}" : "%}";
  std::string open;  // brackets that wait for their partner
  while (at_ < source_.size()) {
    const std::string_view rest = source_.from(at_);
    if (open.empty()) {
      char sign = '\0';
      std::string_view end = rest;
      if (end[0] == '-' || (end[0] == '+' && !print)) {
        sign = end[0];
        end.remove_prefix(1);
      }
      if (end.starts_with(close)) {
        push(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
        at_ += (sign != '\0' ? 1U : 0U) + 2U;
        return sign;
      }
    }
    const char c = rest[0];
    if (const std::size_t blank = leading_whitespace(rest); blank > 0) {
      at_ += blank;
    } else if (is_name_start(c)) {
      std::size_t n = 1;
      while (n < rest.size() && (is_name_start(rest[n]) || is_ascii_digit(rest[n]))) ++n;
      push(TokenKind::kName, std::string(rest.substr(0, n)));
      at_ += n;
    } else if (is_ascii_digit(c)) {
      number(rest);
    } else if (c == '"' || c == '\'') {
      string(rest);
    } else {
      operator_token(rest, open);
    }
  }
  source_.error(begin, fmt::format("the tag has no '{}'", close));
}

POSTTRAIN_INLINE void Lexer::number(std::string_view rest) {
  std::string text;
  const char mark = rest.size() > 1 ? static_cast<char>(rest[1] | 0x20) : '\0';
  if (rest[0] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) {
    const std::size_t n = read_digits(rest, 2, text, [mark](char c) {
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
  std::size_t n = read_digits(rest, 0, text, is_ascii_digit);
  bool is_float = false;
  if (n + 1 < rest.size() && rest[n] == '.' && is_ascii_digit(rest[n + 1])) {
    is_float = true;
    text += '.';
    n = read_digits(rest, n + 1, text, is_ascii_digit);
  }
  if (n + 1 < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
    std::size_t m = n + 1;
    if (rest[m] == '+' || rest[m] == '-') ++m;
    if (m < rest.size() && is_ascii_digit(rest[m])) {
      is_float = true;
      text += rest.substr(n, m - n);
      n = read_digits(rest, m, text, is_ascii_digit);
    }
  }
  if (!is_float && text[0] == '0' && text.find_first_not_of('0') != std::string::npos) {
    source_.error(at_, "expected no leading zeros in an integer, got " + text);
  }
  push(is_float ? TokenKind::kFloat : TokenKind::kInteger, text);
  at_ += n;
}

POSTTRAIN_INLINE void Lexer::string(std::string_view rest) {
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

POSTTRAIN_INLINE std::size_t Lexer::escape(std::string_view rest, std::string& text) const {
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
      if (!is_ascii_digit(d) && !letter) source_.error(at_, "the string has a truncated \\ escape");
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

POSTTRAIN_INLINE void Lexer::operator_token(std::string_view rest, std::string& open) {
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

}  // namespace posttrain::text::jinja
