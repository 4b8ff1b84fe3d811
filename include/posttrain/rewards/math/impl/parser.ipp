// SPDX-License-Identifier: Apache-2.0
// Definitions of parser.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math/parser.hpp"
#include "posttrain/rewards/math/plain_symbols.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"
#include "posttrain/rewards/text/characters.hpp"

namespace posttrain::rewards {

namespace detail {

/// Words in lower case with one blank between them, without punctuation.
inline std::string words_of(std::string_view text) {
  std::string words;
  bool gap = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (is_word_byte(c) || is_digit(c)) {
      if (gap && !words.empty()) words += ' ';
      words += c;
      gap = false;
    } else if (c != '\'') {
      gap = true;
    }
  }
  return words;
}

/// Whether the content of \text{…} is made of words: two letters in a row, and no digits.
inline bool holds_words(std::string_view content) {
  bool words = false;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (is_digit(content[i]) || content[i] == '\\') return false;
    if (static_cast<unsigned char>(content[i]) >= 0x80) words = true;
    if (i > 0 && is_ascii_letter(content[i]) && is_ascii_letter(content[i - 1])) words = true;
  }
  return words;
}

/// Whether one of words with blanks between them is one of those.
template <class Fits>
bool any_word(std::string_view words, const Fits& fits) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (fits(words.substr(0, end))) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

inline bool has_symbols(const Expression& expression) {
  return contains(expression, [](const Expression& node) {
    return node.is(ExpressionKind::symbol) || node.is(ExpressionKind::words) ||
           node.is(ExpressionKind::relation);
  });
}

/// A plain integer or fraction, as it was written.
inline bool is_plain_number(const Expression& x) {
  return x.is(ExpressionKind::number) && !x.decimal && x.base == 10 && x.value.fits();
}

/// a · b; of products one product.
inline Expression product_of(Expression a, Expression b) {
  std::vector<Expression> factors;
  for (Expression* x : {&a, &b}) {
    if (x->is(ExpressionKind::product)) {
      for (Expression& factor : x->operands) factors.push_back(std::move(factor));
    } else {
      factors.push_back(std::move(*x));
    }
  }
  return make(ExpressionKind::product, std::move(factors));
}

/// a / b; of plain numbers one number.
inline Expression quotient_of(Expression a, Expression b) {
  if (is_plain_number(a) && is_plain_number(b) && !b.value.is_zero()) {
    return make_number(a.value / b.value);
  }
  return product_of(std::move(a), inverted(std::move(b)));
}

}  // namespace detail

POSTTRAIN_INLINE Parser::Nesting::Nesting(Parser& its_parser) : parser(its_parser) {
  if (++parser.level_ > kDeepest) raise("nested too deeply");
}

POSTTRAIN_INLINE Parser::Parser(std::vector<Token> tokens, int level)
    : tokens_(std::move(tokens)), level_(level) {
  if (tokens_.size() > kMostTokens) raise("more than {} numbers, words and signs", kMostTokens);
}

POSTTRAIN_INLINE const Token& Parser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

POSTTRAIN_INLINE bool Parser::takes(std::string_view mark) {
  if (!peek().is_mark(mark)) return false;
  ++at_;
  return true;
}

POSTTRAIN_INLINE void Parser::expect(std::string_view mark) {
  if (!takes(mark)) unexpected();
}

POSTTRAIN_INLINE void Parser::unexpected() const {
  if (peek().kind == TokenKind::end) raise("unexpected end");
  if (peek().kind == TokenKind::number) raise("unexpected number {}", peek().value.text());
  raise("unexpected '{}'", peek().text);
}

POSTTRAIN_INLINE bool Parser::ends_element(std::size_t ahead) const {
  static constexpr auto kEnds =
      std::to_array<std::string_view>({",", ";", ")", "]", "}", "\\}", "\\\\", "&"});
  const Token& token = peek(ahead);
  if (token.kind == TokenKind::end || token.kind == TokenKind::connective) return true;
  if (token.kind == TokenKind::command) return token.text.starts_with("end ");
  if (token.kind != TokenKind::mark) return false;
  if (token.text == "." && peek(ahead + 1).kind == TokenKind::end) return true;
  if (in_set_ && (token.text == "|" || token.text == ":")) return true;
  return std::find(kEnds.begin(), kEnds.end(), token.text) != kEnds.end();
}

POSTTRAIN_INLINE Expression Parser::run() {
  // Emphasis of Markdown (**73**, _73_), and punctuation.
  bool underlined = false;
  while (takes("**") || takes("*") || takes(":") || takes(".") || takes(",") ||
         peek().is_mark("_")) {
    if (takes("_")) underlined = true;
  }
  static constexpr auto kTrailing =
      std::to_array<std::string_view>({"**", "*", ".", ",", ";", ":", "\\\\"});
  const auto trails = [&](const Token& token) {
    return token.kind == TokenKind::mark &&
           (std::find(kTrailing.begin(), kTrailing.end(), token.text) != kTrailing.end() ||
            (underlined && token.text == "_"));
  };
  while (tokens_.size() > at_ + 1 && trails(tokens_[tokens_.size() - 2])) {
    tokens_.erase(tokens_.end() - 2);
  }
  if (peek().kind == TokenKind::end) raise("it is empty");
  Expression answer = list();
  while (takes(")") || takes(".")) {  // "C)"
  }
  if (peek().kind != TokenKind::end) unexpected();
  return answer;
}

// ---- lists and relations ------------------------------------------------------------------------

POSTTRAIN_INLINE Expression Parser::list() {
  const Nesting level(*this);
  std::vector<Expression> elements;
  std::string name = ",";
  while (true) {
    const Token& token = peek();
    const bool separator = token.kind == TokenKind::connective || token.is_mark(",") ||
                           token.is_mark(";") || token.is_mark("\\\\");
    if (separator) {
      if (elements.empty()) unexpected();
      if (token.kind == TokenKind::connective) name = token.text;
      ++at_;
      continue;
    }
    if (ends_element() && !(elements.empty() && token.is_mark("]"))) break;
    elements.push_back(element());
    if (!ends_element()) unexpected();
  }
  if (elements.empty()) unexpected();
  if (elements.size() == 1) return std::move(elements.front());
  return make(Kind::list, std::move(elements), std::move(name));
}

POSTTRAIN_INLINE Expression Parser::element() {
  Expression first;
  if (leading_words(first)) return first;
  first = set_operation();
  if (peek().kind != TokenKind::relation) return first;
  std::vector<Expression> operands;
  std::string signs;
  operands.push_back(std::move(first));
  while (peek().kind == TokenKind::relation) {
    signs += peek().text;
    ++at_;
    operands.push_back(operand());
  }
  return make(Kind::relation, std::move(operands), std::move(signs));
}

POSTTRAIN_INLINE Expression Parser::operand() {
  Expression words;
  if (leading_words(words)) return words;
  return set_operation();
}

POSTTRAIN_INLINE Expression Parser::set_operation() {
  Expression left = ratio();
  while (peek().kind == TokenKind::mark) {
    const std::string& mark = peek().text;
    const Kind kind = mark == "cup"        ? Kind::set_union
                      : mark == "cap"      ? Kind::intersection
                      : mark == "setminus" ? Kind::difference
                                           : Kind::number;
    if (kind == Kind::number) break;
    ++at_;
    Expression right = ratio();
    if (left.is(kind) && kind != Kind::difference) {
      left.operands.push_back(std::move(right));
    } else {
      std::vector<Expression> operands;
      operands.push_back(std::move(left));
      operands.push_back(std::move(right));
      left = make(kind, std::move(operands));
    }
  }
  return left;
}

POSTTRAIN_INLINE Expression Parser::ratio() {
  Expression first = sum();
  if (in_set_ || !peek().is_mark(":") || ends_element(1)) return first;
  std::vector<Expression> parts;
  parts.push_back(std::move(first));
  while (takes(":")) parts.push_back(sum());
  return make(Kind::brackets, std::move(parts), "::");
}

// ---- arithmetic ---------------------------------------------------------------------------------

POSTTRAIN_INLINE Expression Parser::sum() {
  std::vector<Expression> terms;
  while (true) {
    bool minus = false;
    std::string either;
    while (peek().kind == TokenKind::mark) {
      if (takes("-")) {
        minus = !minus;
      } else if (peek().text == "+-" || peek().text == "-+") {
        either = (peek().text == "+-") != minus ? "+" : "-";
        ++at_;
      } else if (!takes("+")) {
        break;
      }
    }
    Expression term = product();
    if (!either.empty()) {
      std::vector<Expression> operand;
      operand.push_back(std::move(term));
      term = make(Kind::plus_minus, std::move(operand), either);
    } else if (minus) {
      term = negated(std::move(term));
    }
    terms.push_back(std::move(term));
    if (!peek().is_mark("+") && !peek().is_mark("-") && !peek().is_mark("+-") &&
        !peek().is_mark("-+")) {
      break;
    }
  }
  if (terms.size() == 1) return std::move(terms.front());
  return make(Kind::sum, std::move(terms));
}

POSTTRAIN_INLINE bool Parser::starts_factor() const {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::number:
    case TokenKind::word:
      return true;
    case TokenKind::command:
      return !token.text.starts_with("end ") && token.text != "rfloor" && token.text != "rceil";
    case TokenKind::mark:
      if (token.text == "|") return bars_ == 0 && !in_set_;
      return token.text == "(" || (token.text == "[" && !outward_) || token.text == "{";
    default:
      return false;
  }
}

POSTTRAIN_INLINE Expression Parser::product() {
  std::vector<Expression> factors;
  factors.push_back(signed_factor());
  const auto join = [](std::vector<Expression>& parts) {
    if (parts.size() == 1) return std::move(parts.front());
    return make(Kind::product, std::move(parts));
  };
  while (true) {
    if (takes("*")) {
      factors.push_back(signed_factor());
    } else if (takes("/")) {
      Expression below = signed_factor();
      if (factors.size() == 1) {
        factors.front() = detail::quotient_of(std::move(factors.front()), std::move(below));
      } else {
        factors.push_back(inverted(std::move(below)));
      }
    } else if (peek().kind == TokenKind::word || peek().kind == TokenKind::text) {
      Expression left = factors.size() == 1 ? factors.front() : make(Kind::product, factors);
      Expression scaled;
      if (skips_unit(left, scaled)) {
        factors.clear();
        factors.push_back(std::move(scaled));
        if (peek().kind == TokenKind::word || starts_factor()) unexpected();
        continue;
      }
      if (peek().kind == TokenKind::text || (is_word(peek()) && peek().space_before)) unexpected();
      factors.push_back(factor());
    } else if (starts_factor()) {
      if (peek().kind == TokenKind::number && factors.back().is(Kind::number)) {
        raise("two numbers side by side");
      }
      factors.push_back(factor());
    } else {
      return join(factors);
    }
  }
}

POSTTRAIN_INLINE Expression Parser::signed_factor() {
  bool minus = false;
  while (peek().is_mark("-") || peek().is_mark("+")) {
    minus ^= peek().text == "-";
    ++at_;
  }
  Expression x = factor();
  return minus ? negated(std::move(x)) : x;
}

POSTTRAIN_INLINE Expression Parser::factor() {
  const bool plain = peek().kind == TokenKind::number && !peek().text.empty();
  const bool is_number = peek().kind == TokenKind::number;
  Expression base = primary();
  if (plain && base.is(Kind::number)) base = mixed(std::move(base));
  return postfix(std::move(base), is_number);
}

POSTTRAIN_INLINE Expression Parser::mixed(Expression whole) {
  const auto proper = [](const Expression& x) {
    return detail::is_plain_number(x) && x.value > Rational(0) && x.value < Rational(1);
  };
  if (peek().is(TokenKind::command, "frac")) {
    Expression part = command();
    if (!proper(part)) return detail::product_of(std::move(whole), std::move(part));
    return make_number(whole.value + part.value);
  }
  const auto digits = [&](std::size_t i) {
    return peek(i).kind == TokenKind::number && !peek(i).text.empty();
  };
  if (digits(0) && peek().space_before && peek(1).is_mark("/") && digits(2) &&
      !peek(2).value.is_zero()) {
    const Rational part = peek().value / peek(2).value;
    if (part < Rational(1)) {
      at_ += 3;
      return make_number(whole.value + part);
    }
  }
  return whole;
}

POSTTRAIN_INLINE Expression Parser::postfix(Expression base, bool number_token) {
  for (int times = 0;; ++times) {
    if (times > kDeepest) raise("nested too deeply");  // x!!!!…, x^2^2^2…
    if (takes("^") || takes("**")) {
      Expression power = script();
      const bool degree = power.is(Kind::symbol, "circ");
      if (power.is(Kind::symbol, "prime")) {
        base.name += '\'';
      } else if (power.is(Kind::words)) {  // 5^{th}
        if (!number_token) raise("words in an exponent");
      } else if (!degree) {
        // x^a^b is x^(a^b).
        if (takes("^") || takes("**")) {
          std::vector<Expression> tower;
          tower.push_back(std::move(power));
          tower.push_back(script());
          power = make(Kind::power, std::move(tower));
        }
        std::vector<Expression> operands;
        operands.push_back(std::move(base));
        operands.push_back(std::move(power));
        base = make(Kind::power, std::move(operands));
      } else {
        if (trigonometric_ > 0) {
          base = detail::product_of(
              std::move(base),
              detail::product_of(make_name(Kind::constant, "pi"), make_number(Rational(1, 180))));
        }
        if (peek().is(TokenKind::word, "C") || peek().is(TokenKind::word, "F")) ++at_;
      }
    } else if (peek().is(TokenKind::command, "degree") || peek().is(TokenKind::command, "circ")) {
      tokens_[at_].kind = TokenKind::mark;  // read again as ^\circ
      tokens_[at_].text = "^";
      Token circle;
      circle.kind = TokenKind::command;
      circle.text = "circ";
      tokens_.insert(tokens_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, circle);
    } else if (base.is(Kind::number) && base.base == 10 && peek().is_mark("_")) {
      ++at_;
      const Expression index = script();
      const std::int64_t its_base = index.is(Kind::words) ? number_word(index.name).value_or(0)
                                                          : index.value.small().value_or(0);
      const std::string digits = base.value.text();
      if (its_base < 2 || its_base > 36) raise("not a base of numbers");
      for (const char c : digits) {
        if (!detail::is_digit(c) || c - '0' >= its_base) raise("not a number of its base");
      }
      base.value = BigInteger::from_digits(digits, static_cast<unsigned>(its_base));
      base.base = static_cast<int>(its_base);
    } else if (takes("!")) {
      std::vector<Expression> operand;
      operand.push_back(std::move(base));
      base = make(Kind::function, std::move(operand), "factorial");
    } else if (takes("%")) {
      std::vector<Expression> operand;
      operand.push_back(std::move(base));
      base = make(Kind::percent, std::move(operand));
    } else if (takes("'")) {
      // A derivative; of numbers feet or minutes of arc, which are units.
      if (base.is(Kind::symbol) || base.is(Kind::function)) base.name += '\'';
    } else {
      return base;
    }
  }
}

// ---- words --------------------------------------------------------------------------------------

POSTTRAIN_INLINE bool Parser::is_word(const Token& token) const {
  if (token.kind == TokenKind::text) return detail::holds_words(token.text);
  if (token.kind != TokenKind::word) return false;
  const std::string& word = token.text;
  if (static_cast<unsigned char>(word.front()) >= 0x80) return true;
  if (word.size() < 3) return is_short_word(word);
  return !is_function_name(word) && word != "sqrt" && word != "infinity" && word != "inf" &&
         word != "Infinity" && !scale_word(word);
}

POSTTRAIN_INLINE bool Parser::keep_their_number(std::size_t words) const {
  if (ends_element(words)) return false;
  for (std::size_t i = 0; i < words; ++i) {
    const std::string each = detail::words_of(peek(i).text);
    if (detail::any_word(each, is_qualifier)) return true;
    if (detail::any_word(each, is_calendar_word) && peek(words).kind == TokenKind::number) {
      return true;
    }
  }
  return false;
}

POSTTRAIN_INLINE bool Parser::leading_words(Expression& words) {
  std::size_t n = 0;
  std::string text;
  while (true) {
    const Token& token = peek(n);
    const bool article = token.kind == TokenKind::word && token.text.size() == 1 &&
                         std::string_view("aAI").find(token.text[0]) != std::string_view::npos &&
                         peek(n + 1).space_before && is_word(peek(n + 1));
    if (is_word(token) || article) {
      text += ' ' + token.text;
    } else if (n == 0 || token.kind != TokenKind::mark || !is_word(peek(n + 1)) ||
               (token.text != "-" && token.text != "'" && token.text != ".")) {
      break;
    }
    ++n;
  }
  const std::string& first = peek().text;
  if (n == 0 && peek().kind == TokenKind::text && first.size() == 3 && first[0] == '(' &&
      first[2] == ')' && !ends_element(1)) {  // \text{(A) } 12
    ++at_;
    return false;
  }
  if (n == 0) return false;
  std::size_t last = n;
  const bool whole = keep_their_number(n);
  if (whole) {  // June 20, less than 5: the words are no label
    while (!ends_element(last)) {
      const Token& token = peek(last++);
      text += ' ' + (token.kind == TokenKind::number ? token.value.text() : token.text);
    }
  }
  while (peek(last).kind == TokenKind::word || peek(last).kind == TokenKind::text) ++last;
  const auto holds = [&](const char* separator) {
    return first.find(separator) != std::string::npos;
  };
  if (n == 1 && ends_element(1) && peek().kind == TokenKind::text &&
      (holds(",") || holds(" and ") || holds(" or "))) {  // \text{Navin, Luis}
    const std::string content = first;
    ++at_;
    words = text_content(content);
    return true;
  }
  if (ends_element(last)) {  // "no solution for x"
    for (std::size_t i = n; i < last && !whole; ++i) text += ' ' + peek(i).text;
    at_ += last;
    words = make_name(Kind::words, detail::words_of(text));
    return true;
  }
  const Token& next = peek(n);
  const bool sign = next.kind == TokenKind::relation && (next.text == "=" || next.text == "~");
  const bool label =
      sign || next.is_mark(":") || peek(n - 1).kind == TokenKind::text ||
      (next.space_before && next.kind != TokenKind::mark && next.kind != TokenKind::relation) ||
      next.is_mark("(");
  if (!label) return false;
  at_ += n;
  if (sign || next.is_mark(":")) ++at_;
  return false;
}

POSTTRAIN_INLINE Expression Parser::text_content(const std::string& content) {
  const Nesting level(*this);
  try {
    return Parser(Lexer(content).run(), level_).run();
  } catch (const Error&) {
    std::string words = detail::words_of(content);
    if (words.empty()) throw;
    return make_name(Kind::words, std::move(words));
  }
}

POSTTRAIN_INLINE bool Parser::skips_unit(const Expression& left, Expression& scaled) {
  const auto lower = [](const std::string& text) {
    return text == "%" || text == "\\%" ? std::string("percent") : detail::words_of(text);
  };
  const Token& token = peek();
  const bool is_text = token.kind == TokenKind::text;
  if (left.is(Kind::words)) return false;
  if (token.kind == TokenKind::word) {
    const bool unit = is_unit(token.text) && !peek(1).is_mark("(");
    const bool word = (is_word(token) || scale_word(token.text)) && token.space_before &&
                      !detail::has_symbols(left);
    const bool meaning = token.text == "pct" || token.text == "percent" || token.text == "am" ||
                         token.text == "pm" || token.text == "AM" || token.text == "PM";
    if (!unit && !word && !meaning) return false;
  }
  const std::string first = lower(token.text);
  scaled = left;
  if (first == "percent" || first == "pct" || first == "per cent") {
    ++at_;
    std::vector<Expression> operand;
    operand.push_back(std::move(scaled));
    scaled = make(Kind::percent, std::move(operand));
  } else if (const auto scale = scale_word(first)) {
    ++at_;
    scaled = detail::is_plain_number(scaled)
                 ? make_number(scaled.value * Rational(*scale))
                 : detail::product_of(std::move(scaled), make_number(*scale));
  } else if (first == "am" || first == "pm" || first == "a m" || first == "p m") {
    ++at_;
    std::vector<Expression> parts;
    parts.push_back(std::move(scaled));
    parts.push_back(make_name(Kind::words, first.front() == 'a' ? "am" : "pm"));
    scaled = make(Kind::brackets, std::move(parts), "time");
  } else if (is_text && !first.starts_with("mod ") &&
             std::any_of(token.text.begin(), token.text.end(), detail::is_digit)) {
    unexpected();
  }
  const auto wordy = [&](const Token& each) {
    return each.kind == TokenKind::text ||
           (each.kind == TokenKind::word && (is_word(each) || is_unit(each.text)));
  };
  while (true) {
    if (wordy(peek())) {
      if (detail::any_word(detail::words_of(peek().text), is_qualifier)) unexpected();  // 5 or more
      ++at_;
    } else if (peek().is_mark("/") &&
               (wordy(peek(1)) || (peek(1).kind == TokenKind::word && ends_element(2)))) {
      at_ += 2;
    } else if (peek().is_mark("^")) {
      ++at_;
      script();
    } else if (peek().is_mark(".") && wordy(peek(1))) {
      ++at_;
    } else {
      return true;
    }
  }
}

// ---- operands -----------------------------------------------------------------------------------

POSTTRAIN_INLINE Expression Parser::number() {
  const Token& token = peek();
  Expression number = make_number(token.value);
  number.decimal = token.decimal;
  number.base = token.base;
  ++at_;
  return number;
}

POSTTRAIN_INLINE Expression Parser::primary() {
  const Nesting level(*this);
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::number:
      return number();
    case TokenKind::word:
      return letters();
    case TokenKind::command:
      return command();
    case TokenKind::text: {
      const std::string content = token.text;
      ++at_;
      return text_content(content);
    }
    case TokenKind::mark:
      if (token.text == "(" || token.text == "[") return brackets();
      if (token.text == "]") return outward_interval();
      if (token.text == "{") return group("}");
      if (token.text == "\\{") return set();
      if (token.text == "|") return bars();
      [[fallthrough]];
    default:
      unexpected();
  }
}

POSTTRAIN_INLINE Expression Parser::symbol(std::string name) {
  if (name == "e" || name == "i") {
    if (!peek().is_mark("_")) return make_name(Kind::constant, std::move(name));
  }
  while (takes("_")) name += "_" + canonical(script());
  while (takes("'")) name += '\'';
  static constexpr std::string_view kFunctionLetters = "fghFGH";
  const bool function = kFunctionLetters.find(name.front()) != std::string_view::npos &&
                        (name.size() == 1 || name[1] == '_' || name[1] == '\'');
  if (function && peek().is_mark("^") && peek(1).is_mark("{") && peek(2).is_mark("-") &&
      peek(3).kind == TokenKind::number && peek(3).text == "1" && peek(4).is_mark("}") &&
      peek(5).is_mark("(")) {
    name += "^-1";
    at_ += 5;
  }
  // P(x) = … defines a function, whatever its letter.
  const bool defined = peek().is_mark("(") && peek(1).kind == TokenKind::word &&
                       peek(1).text.size() == 1 && peek(2).is_mark(")") &&
                       peek(3).is(TokenKind::relation, "=");
  if ((!function && !defined) || !peek().is_mark("("))
    return make_name(Kind::symbol, std::move(name));
  return make(Kind::function, arguments(false), std::move(name));
}

POSTTRAIN_INLINE Expression Parser::letters() {
  Token& token = tokens_[at_];
  const std::string word = token.text;
  if (word == "pi" || word == "infinity" || word == "inf" || word == "Infinity") {
    ++at_;
    return make_name(Kind::constant, word == "pi" ? "pi" : "infinity");
  }
  if (word == "sqrt") {
    ++at_;
    std::vector<Expression> operands;
    operands.push_back(argument(false));
    operands.push_back(make_number(2));
    return make(Kind::root, std::move(operands));
  }
  if (is_function_name(word)) {
    ++at_;
    return named_function(word);
  }
  if (static_cast<unsigned char>(word.front()) >= 0x80) unexpected();
  // Letters side by side are symbols; what stands behind them belongs to the last.
  if (word.size() > 1) {
    token.text.erase(0, 1);
    token.space_before = false;
    return make_name(word.front() == 'e' || word.front() == 'i' ? Kind::constant : Kind::symbol,
                     std::string(1, word.front()));
  }
  ++at_;
  return symbol(word);
}

POSTTRAIN_INLINE Expression Parser::command() {
  const std::string name = peek().text;
  ++at_;
  const auto two = [&](Kind kind, Expression a, Expression b, std::string its_name = {}) {
    std::vector<Expression> operands;
    operands.push_back(std::move(a));
    operands.push_back(std::move(b));
    return make(kind, std::move(operands), std::move(its_name));
  };
  if (name == "frac" || name == "binom") {
    Expression above = argument(true);
    Expression below = argument(true);
    if (name == "frac") return detail::quotient_of(std::move(above), std::move(below));
    return two(Kind::function, std::move(above), std::move(below), name);
  }
  if (name == "sqrt") {
    Expression degree = make_number(2);
    if (takes("[")) degree = group("]");
    Expression radicand = argument(false);
    return two(Kind::root, std::move(radicand), std::move(degree));
  }
  if (name == "pi") return make_name(Kind::constant, "pi");
  if (name == "infty") return make_name(Kind::constant, "infinity");
  if (name == "emptyset") return make(Kind::set, {});
  if (name == "lfloor") return between("rfloor", "floor");
  if (name == "lceil") return between("rceil", "ceil");
  if (name == "rfloor" || name == "rceil") raise("unexpected \\{}", name);
  if (name == "bar" || name == "hat" || name == "tilde" || name == "dot") {
    std::vector<Expression> operand;
    operand.push_back(argument(false));
    return make(Kind::function, std::move(operand), name);
  }
  if (name.starts_with("numbers ")) {
    const std::string set = name.substr(8);
    if (set.empty()) raise("unexpected \\mathbb");
    if (set.size() != 1 || std::string_view("RQZNC").find(set) == std::string_view::npos) {
      return make_name(Kind::symbol, set);
    }
    // ℝ⁺ and the like are sets of their own.
    Expression numbers = make_name(Kind::numbers, set);
    if (peek().is_mark("^") && (peek(1).is_mark("+") || peek(1).is_mark("-"))) {
      numbers.name += peek(1).text;
      at_ += 2;
    } else if (peek().is_mark("^") && peek(1).is_mark("{") &&
               (peek(2).is_mark("+") || peek(2).is_mark("-")) && peek(3).is_mark("}")) {
      numbers.name += peek(2).text;
      at_ += 4;
    }
    return numbers;
  }
  if (name.starts_with("begin ")) return environment(name.substr(6));
  if (name.starts_with("end ")) raise("unexpected \\{}", name);
  if (is_function_name(name)) return named_function(name);
  if (name == "circ" || name == "degree" || name == "prime") {
    return make_name(Kind::symbol, name == "degree" ? "circ" : name);
  }
  return symbol(name.size() == 1 ? "\\" + name : name);
}

POSTTRAIN_INLINE Expression Parser::named_function(const std::string& name) {
  std::string plain = name == "asin"   ? "arcsin"
                      : name == "acos" ? "arccos"
                      : name == "atan" ? "arctan"
                      : name == "ln"   ? "log"
                                       : name;
  static constexpr auto kTrigonometric =
      std::to_array<std::string_view>({"sin", "cos", "tan", "cot", "sec", "csc", "cis"});
  bool trigonometric =
      std::find(kTrigonometric.begin(), kTrigonometric.end(), plain) != kTrigonometric.end();
  std::optional<Expression> power, base;
  for (int i = 0; i < 2; ++i) {
    if (!power && takes("^")) {
      power = script();
    } else if (!base && plain == "log" && takes("_")) {
      base = script();
    }
  }
  if (power && trigonometric && power->is(Kind::number) && power->value == Rational(-1)) {
    plain = "arc" + plain;  // sin^{-1} is the inverse function
    trigonometric = false;
    power.reset();
  }
  std::vector<Expression> operands = arguments(trigonometric);
  if (plain == "lg") {
    plain = "log";
    base = make_number(10);
  }
  if (plain == "cis") {
    Expression sine = make(Kind::function, operands, "sin");
    std::vector<Expression> terms;
    terms.push_back(make(Kind::function, std::move(operands), "cos"));
    terms.push_back(detail::product_of(make_name(Kind::constant, "i"), std::move(sine)));
    return make(Kind::sum, std::move(terms));
  }
  if (base) operands.push_back(std::move(*base));
  Expression made = make(Kind::function, std::move(operands), std::move(plain));
  if (!power) return made;
  std::vector<Expression> raised;
  raised.push_back(std::move(made));
  raised.push_back(std::move(*power));
  return make(Kind::power, std::move(raised));
}

POSTTRAIN_INLINE std::vector<Expression> Parser::arguments(bool trigonometric) {
  const Nesting level(*this);
  const int kept = trigonometric_;
  trigonometric_ = trigonometric ? 1 : 0;
  std::vector<Expression> operands;
  if (peek().is_mark("(") || peek().is_mark("\\{")) {
    const bool set = peek().is_mark("\\{");
    ++at_;
    const bool in_set = std::exchange(in_set_, false);
    const int bars = std::exchange(bars_, 0);
    Expression inside = list();
    in_set_ = in_set;
    bars_ = bars;
    expect(set ? "\\}" : ")");
    if (inside.is(Kind::list)) {
      operands = std::move(inside.operands);
    } else {
      operands.push_back(std::move(inside));
    }
  } else {
    operands.push_back(implicit_argument());
  }
  trigonometric_ = kept;
  return operands;
}

POSTTRAIN_INLINE Expression Parser::implicit_argument() {
  const bool minus = takes("-");
  std::vector<Expression> factors;
  const auto is_function = [&] {
    return (peek().kind == TokenKind::command || peek().kind == TokenKind::word) &&
           is_function_name(peek().text);
  };
  do {
    factors.push_back(factor());
  } while (starts_factor() && !is_function() && !peek().is_mark("(") && !peek().is_mark("["));
  Expression argument =
      factors.size() == 1 ? std::move(factors.front()) : make(Kind::product, std::move(factors));
  return minus ? negated(std::move(argument)) : argument;
}

POSTTRAIN_INLINE Expression Parser::argument(bool single_digit) {
  const Nesting level(*this);
  Token& token = tokens_[at_];
  if (token.kind == TokenKind::number) {
    if (!single_digit || token.text.size() < 2) return number();
    const std::string digits = token.text;
    token.text = digits.substr(1);
    token.value = BigInteger::from_digits(token.text);
    token.space_before = false;
    return make_number(digits.front() - '0');
  }
  if (token.kind == TokenKind::word && token.text.size() > 1 &&
      static_cast<unsigned char>(token.text.front()) < 0x80 && token.text != "pi") {
    return letters();  // the first of them
  }
  if (token.is_mark("-") && !single_digit) raise("unexpected '-'");
  return primary();
}

POSTTRAIN_INLINE Expression Parser::script() {
  const Nesting level(*this);
  bool minus = false;
  while (peek().is_mark("-") || peek().is_mark("+")) {
    minus ^= peek().text == "-";
    ++at_;
  }
  if (peek().is_mark("{") && peek(1).kind == TokenKind::word && peek(2).is_mark("}") &&
      (peek(1).text == "th" || peek(1).text == "st" || peek(1).text == "nd" ||
       peek(1).text == "rd")) {
    at_ += 3;
    return make_name(Kind::words, "th");
  }
  Expression x = argument(false);
  return minus ? negated(std::move(x)) : x;
}

// ---- brackets -----------------------------------------------------------------------------------

POSTTRAIN_INLINE Expression Parser::group(std::string_view closing) {
  const Nesting level(*this);
  if (closing == "}") expect("{");
  const bool in_set = std::exchange(in_set_, false);
  const int bars = std::exchange(bars_, 0);
  Expression inside = list();
  in_set_ = in_set;
  bars_ = bars;
  expect(closing);
  if (inside.is(Kind::list)) inside.kind = Kind::set;  // {1, 2}, where \{ was meant
  if (inside.is(Kind::set)) inside.name.clear();
  return inside;
}

POSTTRAIN_INLINE Expression Parser::brackets() {
  std::string name = peek().text;
  ++at_;
  const bool in_set = std::exchange(in_set_, false);
  const int bars = std::exchange(bars_, 0);
  Expression inside = list();
  in_set_ = in_set;
  bars_ = bars;
  if (!peek().is_mark(")") && !peek().is_mark("]")) unexpected();
  name += peek().text;
  ++at_;
  if (!inside.is(Kind::list)) {
    if (name != "()" && name != "[]") raise("one number in brackets of two kinds");
    return inside;
  }
  inside.kind = Kind::brackets;
  inside.name = name;
  return inside;
}

POSTTRAIN_INLINE Expression Parser::outward_interval() {
  ++at_;  // ]0, 1[ is (0, 1)
  const bool outward = std::exchange(outward_, true);
  std::vector<Expression> ends;
  ends.push_back(sum());
  if (!takes(",") && !takes(";")) unexpected();
  ends.push_back(sum());
  outward_ = outward;
  const bool open = peek().is_mark("[");
  if (!open && !peek().is_mark("]")) unexpected();
  ++at_;
  return make(Kind::brackets, std::move(ends), open ? "()" : "(]");
}

POSTTRAIN_INLINE Expression Parser::set() {
  expect("\\{");
  if (takes("\\}")) return make(Kind::set, {});
  const bool in_set = std::exchange(in_set_, true);
  const int bars = std::exchange(bars_, 0);
  Expression inside = list();
  if (peek().is_mark("|") || peek().is_mark(":")) {  // {x | x > 2} holds what its condition does
    ++at_;
    in_set_ = false;
    inside = list();
  } else if (inside.is(Kind::list)) {
    inside.kind = Kind::set;
    inside.name.clear();
  } else {
    std::vector<Expression> only;
    only.push_back(std::move(inside));
    inside = make(Kind::set, std::move(only));
  }
  in_set_ = in_set;
  bars_ = bars;
  expect("\\}");
  return inside;
}

POSTTRAIN_INLINE Expression Parser::bars() {
  expect("|");
  const bool in_set = std::exchange(in_set_, false);
  ++bars_;
  std::vector<Expression> operand;
  operand.push_back(sum());
  --bars_;
  in_set_ = in_set;
  expect("|");
  return make(Kind::function, std::move(operand), "abs");
}

POSTTRAIN_INLINE Expression Parser::between(std::string_view closing_command,
                                            const char* function) {
  const int bars = std::exchange(bars_, 0);
  std::vector<Expression> operand;
  operand.push_back(sum());
  bars_ = bars;
  if (!peek().is(TokenKind::command, closing_command)) unexpected();
  ++at_;
  return make(Kind::function, std::move(operand), function);
}

POSTTRAIN_INLINE Expression Parser::environment(const std::string& name) {
  const Nesting level(*this);
  if (name == "array" && peek().is_mark("{")) {
    while (!peek().is_mark("}") && peek().kind != TokenKind::end) ++at_;
    expect("}");
  }
  const std::string end = "end " + name;
  const bool matrix = name.ends_with("matrix") || name == "array";
  if (!matrix) {  // cases, aligned: one element each line
    std::vector<Expression> lines;
    while (!peek().is(TokenKind::command, end)) {
      for (std::size_t i = at_; tokens_[i].kind != TokenKind::end && !tokens_[i].is_mark("\\\\") &&
                                !tokens_[i].text.starts_with("end ");) {
        if (tokens_[i].is_mark("&")) {
          tokens_.erase(tokens_.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
          ++i;
        }
      }
      if (takes("\\\\") || takes(",")) continue;
      lines.push_back(element());
      if (!ends_element()) unexpected();
      if (peek().kind == TokenKind::end) unexpected();
      if (peek().is_mark(")") || peek().is_mark("]") || peek().is_mark("}")) unexpected();
      if (peek().kind == TokenKind::connective || peek().is_mark(".")) ++at_;
      if (peek().kind == TokenKind::command && !peek().is(TokenKind::command, end)) unexpected();
      if (takes(";") || takes("\\}")) continue;
    }
    ++at_;
    return make(Kind::list, std::move(lines), "and");
  }
  std::vector<Expression> cells;
  std::size_t columns = 0, row = 0;
  while (true) {
    if (peek().is(TokenKind::command, end) && row == 0) break;  // \\ before \end
    cells.push_back(operand());
    ++row;
    if (takes("&")) continue;
    const bool more = takes("\\\\");
    if (!more && !peek().is(TokenKind::command, end)) unexpected();
    if (columns == 0) columns = row;
    if (row != columns) raise("rows of different lengths");
    row = 0;
  }
  ++at_;
  if (cells.empty()) raise("an empty matrix");
  Expression made = make(Kind::matrix, std::move(cells), name == "vmatrix" ? "determinant" : "");
  made.columns = columns;
  return made;
}

// ---- whole answers ------------------------------------------------------------------------------

POSTTRAIN_INLINE std::vector<Expression> parse_readings(std::string_view text) {
  if (text.size() > kLongestAnswer) {
    raise("longer than {} bytes", kLongestAnswer);
  }
  const std::string plain = plain_symbols(text);
  std::vector<Expression> readings;
  Lexer lexer(plain);
  std::vector<Token> tokens = lexer.run();
  const bool commas = lexer.ambiguous_commas(), euler = lexer.ambiguous_euler();
  if (!commas && !euler) {
    readings.push_back(Parser(std::move(tokens)).run());
    return readings;
  }
  std::string error;
  for (const Reading reading :
       {Reading{false, false}, Reading{true, false}, Reading{false, true}, Reading{true, true}}) {
    if ((reading.other_commas && !commas) || (reading.euler && !euler)) continue;
    try {
      readings.push_back(Parser(Lexer(plain, reading).run()).run());
    } catch (const Error& problem) {
      if (error.empty()) error = problem.what();
    }
  }
  if (readings.empty()) raise("{}", error);
  return readings;
}

POSTTRAIN_INLINE Expression parse_answer(std::string_view text) {
  return std::move(parse_readings(text).front());
}

}  // namespace posttrain::rewards
