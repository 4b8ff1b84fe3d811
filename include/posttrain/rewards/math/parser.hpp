// SPDX-License-Identifier: Apache-2.0
// From the text of an answer to what it says, by recursive descent: LaTeX and plain notation alike.
//
//   list      → element {("," | ";" | "and" | "or") element}        outside of brackets: a set
//   element   → words | [label] operand {relation operand}
//   operand   → ratio {∪ ∩ ∖ ratio},   ratio → sum {":" sum}
//   sum       → [sign] product {sign product}
//   product   → factor {[* /] factor}      units, currency and words behind a number are dropped
//   factor    → primary {^ _ ! % ' °}
//
// Lenient where only one meaning is left (\frac12, 2\frac12, sin 2x, |x|, ]0,1[), an Error
// everywhere else. Trees nest and texts are long so far and no further, before anything is
// evaluated.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/rewards/math/expression.hpp"
#include "posttrain/rewards/math/lexer.hpp"
#include "posttrain/rewards/math/token.hpp"

namespace posttrain::rewards {

/// The longest answer that is read, in bytes, and the most tokens.
inline constexpr std::size_t kLongestAnswer = 4000;
inline constexpr std::size_t kMostTokens = 600;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens, int level = 0);

  /// The whole answer. What does not parse is an Error that says why.
  Expression run();

 private:
  using Kind = ExpressionKind;
  static constexpr int kDeepest = 40;

  struct Nesting {
    explicit Nesting(Parser& its_parser);
    ~Nesting() { --parser.level_; }
    Parser& parser;
  };

  const Token& peek(std::size_t ahead = 0) const;
  bool takes(std::string_view mark);
  void expect(std::string_view mark);
  [[noreturn]] void unexpected() const;
  bool ends_element(std::size_t ahead = 0) const;

  Expression list();
  Expression element();
  Expression operand();
  Expression set_operation();
  Expression ratio();
  Expression sum();
  Expression product();
  Expression signed_factor();
  Expression factor();
  Expression postfix(Expression base, bool number_token);
  Expression primary();

  // Words.
  bool is_word(const Token& token) const;
  /// Whether what follows these many words belongs to them: June 20, less than 5.
  bool keep_their_number(std::size_t words) const;
  /// Words at the beginning of an element: all of it, or a label of what follows.
  bool leading_words(Expression& words);
  /// What the content of \text{…} says.
  Expression text_content(const std::string& content);
  bool skips_unit(const Expression& left, Expression& scaled);

  // Operands.
  Expression number();
  Expression mixed(Expression whole);
  Expression letters();
  Expression symbol(std::string name);
  Expression command();
  Expression named_function(const std::string& name);
  std::vector<Expression> arguments(bool trigonometric);
  Expression implicit_argument();
  /// An argument as TeX takes it: a group, a command, or one character (\frac12).
  Expression argument(bool single_digit);
  Expression script();
  Expression group(std::string_view closing);
  Expression brackets();
  Expression outward_interval();
  Expression set();
  Expression bars();
  Expression between(std::string_view closing_command, const char* function);
  Expression environment(const std::string& name);
  bool starts_factor() const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
  int bars_ = 0;           // open |
  bool outward_ = false;   // within ]0, 1[, where [ closes
  bool in_set_ = false;    // within braces: | and : separate
  int trigonometric_ = 0;  // within an argument of sin, cos, …: 30° is an angle
};

/// Reads an answer as it stands in a completion or in a record. An empty or too long one, or one
/// that does not parse, is an Error.
Expression parse_answer(std::string_view text);

/// Every reading of an ambiguous notation, at least one; the likeliest is the first.
std::vector<Expression> parse_readings(std::string_view text);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/parser.ipp"
#endif
