// SPDX-License-Identifier: Apache-2.0
// Definitions of lexer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math/lexer.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"
#include "posttrain/rewards/text/characters.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::rewards {

namespace detail {

inline unsigned digit_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  return static_cast<unsigned>(c >= 'a' ? c - 'a' : c - 'A') + 10;
}

inline std::string_view without_blanks_around(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<Token> Lexer::run() {
  while (at_ < source_.size()) {
    const char c = source_[at_];
    if (detail::is_blank(c)) {
      space_ = true;
      ++at_;
    } else if (detail::is_digit(c) || (c == '.' && detail::is_digit(at(at_ + 1)))) {
      number();
    } else if (detail::is_word_byte(c)) {
      word();
    } else if (c == '\\') {
      command();
    } else {
      mark();
    }
  }
  push(TokenKind::end, "");
  return std::move(tokens_);
}

POSTTRAIN_INLINE void Lexer::push(TokenKind kind, std::string text) {
  Token token;
  token.kind = kind;
  token.text = std::move(text);
  token.space_before = space_;
  space_ = false;
  tokens_.push_back(std::move(token));
}

POSTTRAIN_INLINE std::size_t Lexer::digits_end(std::size_t from) const {
  while (detail::is_digit(at(from))) ++from;
  return from;
}

// ---- numbers ------------------------------------------------------------------------------------

POSTTRAIN_INLINE char Lexer::separator(std::size_t i, std::size_t& size) const {
  struct Spelling {
    std::string_view text;
    char kind;
  };
  // Longer ones first.
  static constexpr auto kSpellings = std::to_array<Spelling>({{"{,}", '{'},
                                                              {",\\!", '!'},
                                                              {"\\!,", '!'},
                                                              {"\\,", ' '},
                                                              {"\\;", ' '},
                                                              {"\\:", ' '},
                                                              {"\\ ", ' '},
                                                              {",", ','},
                                                              {"'", '\''},
                                                              {" ", ' '},
                                                              {"~", ' '}});
  const std::string_view rest = source_.substr(i);
  for (const Spelling& each : kSpellings) {
    if (rest.starts_with(each.text)) {
      size = each.text.size();
      return each.kind;
    }
  }
  return '\0';
}

POSTTRAIN_INLINE bool Lexer::joins_groups(char separator,
                                          const std::vector<std::string_view>& groups) {
  if (separator != ',') return true;
  for (const std::string_view group : groups) {
    if (group.front() == '0') return true;
  }
  ambiguous_commas_ = true;
  return (brackets_ > 0) == reading_.other_commas;
}

POSTTRAIN_INLINE std::string Lexer::grouped_digits(bool& decimal_comma) {
  const std::size_t end = digits_end(at_);
  std::string digits(source_.substr(at_, end - at_));
  at_ = end;
  if (digits.empty()) return digits;
  std::vector<std::string_view> groups;
  char kind = '\0';
  std::size_t next = at_;
  if (digits.size() <= 3 && digits.front() != '0') {
    while (true) {
      std::size_t size = 0;
      const char found = separator(next, size);
      if (found == '\0' || (kind != '\0' && found != kind)) break;
      const std::size_t begin = next + size, stop = digits_end(begin);
      if (stop - begin != 3) break;
      groups.push_back(source_.substr(begin, 3));
      kind = found;
      next = stop;
    }
  }
  if (!groups.empty() && joins_groups(kind, groups)) {
    for (const std::string_view group : groups) digits += group;
    at_ = next;
  } else if (source_.substr(at_, 3) == "{,}" && detail::is_digit(at(at_ + 3))) {
    decimal_comma = true;
  }
  return digits;
}

POSTTRAIN_INLINE void Lexer::fraction_digits(std::string& digits, std::string& decimals,
                                             std::string& repeated) {
  std::size_t end = digits_end(at_);
  decimals = source_.substr(at_, end - at_);
  // 1.000.000: points as separators, which cannot be anything else where there are two.
  if (decimals.size() == 3 && digits.size() <= 3 && !digits.empty() && digits.front() != '0') {
    std::string joined = digits + decimals;
    std::size_t next = end;
    while (at(next) == '.' && digits_end(next + 1) - next == 4) {
      joined += source_.substr(next + 1, 3);
      next += 4;
    }
    if (next > end && !detail::is_digit(at(next))) {
      digits = joined;
      decimals.clear();
      at_ = next;
      return;
    }
  }
  at_ = end;
  static constexpr auto kOverlines =
      std::to_array<std::string_view>({"\\overline{", "\\bar{", "\\dot{", "\\overline ", "("});
  for (const std::string_view opening : kOverlines) {
    if (!source_.substr(at_).starts_with(opening)) continue;
    const bool closes = opening.back() != ' ';
    if (opening == "(" && !decimals.empty()) continue;  // 0.5(3) is a product
    const std::size_t begin = at_ + opening.size();
    end = closes ? digits_end(begin) : std::min(begin + 1, digits_end(begin));
    if (end == begin || (closes && at(end) != (opening == "(" ? ')' : '}'))) continue;
    repeated = source_.substr(begin, end - begin);
    at_ = closes ? end + 1 : end;
    break;
  }
  // 0.333… is written for what its digits begin.
  for (const std::string_view dots : {"\\ldots", "\\dots", "\\cdots", "..."}) {
    if (source_.substr(at_).starts_with(dots)) at_ += dots.size();
  }
}

POSTTRAIN_INLINE long Lexer::exponent() {
  if (at(at_) != 'e' && at(at_) != 'E') return 0;
  std::size_t begin = at_ + 1;
  const bool minus = at(begin) == '-';
  if (minus || at(begin) == '+') ++begin;
  const std::size_t end = digits_end(begin);
  if (end == begin || detail::is_word_byte(at(end)) || at(end) == '.') return 0;
  if (at(at_) == 'e') {
    ambiguous_euler_ = true;
    if (reading_.euler) return 0;
  }
  at_ = end;
  if (end - begin > 4) raise("a number has an exponent of {} digits", end - begin);
  long value = 0;
  for (std::size_t i = begin; i < end; ++i) value = value * 10 + (source_[i] - '0');
  return minus ? -value : value;
}

POSTTRAIN_INLINE bool Lexer::number_with_base() {
  std::size_t end = at_;
  unsigned largest = 0;
  for (; detail::is_digit(at(end)) || detail::is_ascii_letter(at(end)); ++end) {
    largest = std::max(largest, detail::digit_value(source_[end]));
  }
  if (end == at_ || at(end) != '_' || end - at_ > kMostDigits) return false;
  const bool braces = at(end + 1) == '{';
  const std::size_t begin = end + (braces ? 2 : 1), stop = digits_end(begin);
  if (stop == begin || stop - begin > 2 || (braces && at(stop) != '}')) return false;
  unsigned base = 0;
  for (std::size_t i = begin; i < stop; ++i) {
    base = base * 10 + static_cast<unsigned>(source_[i] - '0');
  }
  // A letter with a small index is a symbol: a_{16} is one, too, unless it has capital digits.
  const bool capital = at(at_) >= 'A' && at(at_) <= 'Z';
  if (base < 2 || base > 36 || largest >= base) return false;
  if (largest >= 10 && !(detail::is_digit(at(at_)) || (capital && end - at_ > 1))) return false;
  push(TokenKind::number, "");
  tokens_.back().value = BigInteger::from_digits(source_.substr(at_, end - at_), base);
  tokens_.back().base = static_cast<int>(base);
  at_ = braces ? stop + 1 : stop;
  return true;
}

POSTTRAIN_INLINE void Lexer::number() {
  if (number_with_base()) return;
  const std::size_t begin = at_;
  bool decimal_comma = false;
  std::string digits = grouped_digits(decimal_comma), decimals, repeated;
  const std::string_view rest = source_.substr(at_);
  const bool point = at(at_) == '.' && (detail::is_digit(at(at_ + 1)) ||
                                        rest.starts_with(".\\overline") || rest.starts_with(".(") ||
                                        rest.starts_with(".\\bar") || rest.starts_with(".\\dot{"));
  if (point || decimal_comma) {
    at_ += decimal_comma ? 3 : 1;
    fraction_digits(digits, decimals, repeated);
  }
  if (digits.size() + decimals.size() + 2 * repeated.size() > kMostDigits) {
    raise("a number has {} digits", digits.size() + decimals.size() + repeated.size());
  }
  const bool plain = at_ - begin == digits.size();
  const long power = exponent();
  Rational value = BigInteger::from_digits(digits + decimals);
  const auto ten = [](std::size_t n) { return BigInteger(10).power(n); };
  if (!repeated.empty()) {
    const Rational period(BigInteger::from_digits(repeated), ten(repeated.size()) - 1);
    value = value + period;
  }
  if (!decimals.empty()) value = value / Rational(ten(decimals.size()));
  if (power > 0) value = value * Rational(ten(static_cast<std::size_t>(power)));
  if (power < 0) value = value / Rational(ten(static_cast<std::size_t>(-power)));
  push(TokenKind::number, plain ? digits : "");
  tokens_.back().value = std::move(value);
  tokens_.back().decimal = (!decimals.empty() && repeated.empty()) || power < 0;
}

// ---- words and commands -------------------------------------------------------------------------

POSTTRAIN_INLINE void Lexer::word() {
  if (at(at_) >= 'A' && at(at_) <= 'Z' && number_with_base()) return;
  const std::size_t begin = at_;
  while (detail::is_word_byte(at(at_))) ++at_;
  std::string letters(source_.substr(begin, at_ - begin));
  if (letters == "Rs" || letters == "INR" || letters == "USD" || letters == "EUR") {
    if (at(at_) == '.') ++at_;
    space_ = true;
  } else if (letters == "and" || letters == "or" || letters == "AND" || letters == "OR") {
    push(TokenKind::connective, letters == "or" || letters == "OR" ? "or" : "and");
  } else {
    push(TokenKind::word, std::move(letters));
  }
}

POSTTRAIN_INLINE void Lexer::skip_blanks() {
  while (detail::is_blank(at(at_))) ++at_;
}

POSTTRAIN_INLINE std::string Lexer::braces() {
  skip_blanks();
  if (at(at_) != '{') {
    if (at_ >= source_.size() || at(at_) == '\\') return "";
    return std::string(source_.substr(at_++, 1));
  }
  const std::size_t begin = ++at_;
  for (int depth = 1; at_ < source_.size(); ++at_) {
    if (source_[at_] == '\\') {
      ++at_;
    } else if (source_[at_] == '{') {
      ++depth;
    } else if (source_[at_] == '}' && --depth == 0) {
      return std::string(source_.substr(begin, at_++ - begin));
    }
  }
  raise("a brace is not closed");
}

POSTTRAIN_INLINE void Lexer::styled_command(const std::string& name) {
  std::string content = braces();
  const std::string_view bare = detail::without_blanks_around(content);
  // Upright letters stand for constants, operators and numbers as often as for words.
  const bool upright = name == "mathrm" || name == "operatorname" || name == "mathsf";
  if (upright && (bare == "e" || bare == "i" || bare == "d")) {
    push(TokenKind::word, std::string(bare));
  } else if (upright && is_function_name(bare)) {
    push(TokenKind::command, std::string(bare));
  } else if (const std::string_view link = connective(bare); !link.empty()) {
    push(TokenKind::connective, std::string(link));
  } else if (!bare.empty()) {
    push(TokenKind::text, std::string(bare));
  } else {
    space_ = true;
  }
}

POSTTRAIN_INLINE void Lexer::command() {
  const std::size_t begin = ++at_;
  while (detail::is_ascii_letter(at(at_))) ++at_;
  if (at_ == begin) {  // one character that is no letter
    const char c = at(at_);
    ++at_;
    switch (c) {
      case '{':
        ++brackets_;
        return push(TokenKind::mark, "\\{");
      case '}':
        brackets_ = std::max(brackets_ - 1, 0);
        return push(TokenKind::mark, "\\}");
      case '%':
        return push(TokenKind::mark, "%");
      case '|':
        return push(TokenKind::mark, "|");
      case '\\':
        if (at(at_) == '[') {  // the distance of \\[2pt]
          const std::size_t close = source_.find(']', at_);
          if (close != std::string_view::npos) at_ = close + 1;
        }
        return push(TokenKind::mark, "\\\\");
      case '&':
      case '#':
      case '_':
        raise("unexpected \\{}", c);
      default:  // \, \; \! \( \] \$ …
        space_ = true;
        return;
    }
  }
  const std::string name(source_.substr(begin, at_ - begin));
  const CommandInfo info = command_info(name);
  switch (info.kind) {
    case CommandKind::unknown:
      raise("unknown command \\{}", name);
    case CommandKind::dropped:
      space_ = true;
      if ((name == "left" || name == "right") && at(at_) == '.') ++at_;
      return;
    case CommandKind::dropped_with_argument:
      braces();
      space_ = true;
      return;
    case CommandKind::text:
      return styled_command(name);
    case CommandKind::mark:
      if (info.meaning == "\\{") ++brackets_;
      if (info.meaning == "\\}") brackets_ = std::max(brackets_ - 1, 0);
      return push(TokenKind::mark, std::string(info.meaning));
    case CommandKind::relation:
      return push(TokenKind::relation, std::string(info.meaning));
    case CommandKind::connective:
      return push(TokenKind::connective, std::string(info.meaning));
    case CommandKind::number_set: {
      skip_blanks();
      return push(TokenKind::command, "numbers " + braces());
    }
    case CommandKind::environment:
      return push(TokenKind::command, std::string(info.meaning) + " " + braces());
    case CommandKind::other:
      return push(TokenKind::command, std::string(info.meaning));
  }
}

// ---- marks --------------------------------------------------------------------------------------

POSTTRAIN_INLINE void Lexer::mark() {
  const char c = source_[at_];
  const char next = at(at_ + 1);
  const auto relation = [&](char sign, std::size_t size) {
    at_ += size;
    push(TokenKind::relation, std::string(1, sign));
  };
  switch (c) {
    case '$':
    case '"':
    case '`':
      ++at_;
      space_ = true;
      return;
    case '<':
      return next == '=' ? relation('l', 2) : relation('<', 1);
    case '>':
      return next == '=' ? relation('g', 2) : relation('>', 1);
    case '=':
      if (next == '<') return relation('l', 2);
      if (next == '>') return relation('g', 2);
      return relation('=', next == '=' ? 2 : 1);
    case '!':
      if (next == '=') return relation('!', 2);
      break;
    case ':':
      if (next == '=') return relation('=', 2);
      break;
    case '*':
      if (next == '*') {
        at_ += 2;
        return push(TokenKind::mark, "**");  // Python's power, or Markdown's emphasis
      }
      break;
    case '+':
      if (source_.substr(at_, 3) == "+/-") {
        at_ += 3;
        return push(TokenKind::mark, "+-");
      }
      break;
    case '(':
    case '[':
      ++brackets_;
      break;
    case ')':
    case ']':
      brackets_ = std::max(brackets_ - 1, 0);
      break;
    case '{': {
      // A brace that is nobody's argument holds a set.
      const bool set = tokens_.empty() || tokens_.back().kind == TokenKind::relation ||
                       (tokens_.back().kind == TokenKind::mark &&
                        std::string_view("([,;\\{").find(tokens_.back().text) != std::string::npos);
      open_braces_.push_back(set);
      brackets_ += set ? 1 : 0;
      break;
    }
    case '}':
      if (!open_braces_.empty()) {
        if (open_braces_.back()) brackets_ = std::max(brackets_ - 1, 0);
        open_braces_.pop_back();
      }
      break;
    default:
      if (std::string_view("+-/^_[]()|,;:%&'.").find(c) == std::string_view::npos) {
        raise("unexpected {}", std::string(1, c));
      }
  }
  ++at_;
  push(TokenKind::mark, std::string(1, c));
}

}  // namespace posttrain::rewards
