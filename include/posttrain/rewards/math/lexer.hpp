// SPDX-License-Identifier: Apache-2.0
// Cuts an answer in LaTeX or plain notation into tokens; reads numbers as they are written there.
//
//   7,425,000   14{,}916   32,\!349   10\,000   10 000   10'000   three digits behind each
//   separator .5   1.5e-3   0{,}25   0.1\overline{6}   101_2   1F_{16}
//
// A comma between digits is a separator of thousands outside of brackets, and one of elements
// within them ((1,234) is a pair) unless a group begins with 0. The other way round, and Euler's e
// for the e of "2e-1", are a second reading, which is told to exist. Commands that only set type
// are dropped, as are $ and other signs of currency.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/rewards/math/token.hpp"

namespace posttrain::rewards {

/// Which of two meanings an ambiguous notation has.
struct Reading {
  bool other_commas = false;  // separates elements outside of brackets, thousands within
  bool euler = false;         // 2e-1 is 2·e − 1
};

/// Decimal digits that a number may have: as many as BigInteger holds.
inline constexpr std::size_t kMostDigits = 1200;

class Lexer {
 public:
  /// `source`: as plain_symbols() gives it.
  explicit Lexer(std::string_view source, Reading reading = {})
      : source_(source), reading_(reading) {}

  /// The tokens, with an end behind them. What cannot be read, such as an unknown command or a
  /// number of too many digits, is an Error.
  std::vector<Token> run();

  /// After run(): whether the other reading would differ.
  bool ambiguous_commas() const { return ambiguous_commas_; }
  bool ambiguous_euler() const { return ambiguous_euler_; }

 private:
  char at(std::size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  std::size_t digits_end(std::size_t from) const;
  /// The separator of thousands that stands at `i` ('\0': none); `size` is its length.
  char separator(std::size_t i, std::size_t& size) const;
  void push(TokenKind kind, std::string text);

  void number();
  /// Digits in groups of three; joins as many as belong together.
  std::string grouped_digits(bool& decimal_comma);
  bool joins_groups(char separator, const std::vector<std::string_view>& groups);
  void fraction_digits(std::string& digits, std::string& decimals, std::string& repeated);
  /// The exponent of scientific notation, or 0.
  long exponent();
  bool number_with_base();
  void word();
  void command();
  void styled_command(const std::string& name);
  /// The content of the {…} that stands here (or of the next character), which is skipped.
  std::string braces();
  void skip_blanks();
  void mark();

  std::string_view source_;
  Reading reading_;
  std::size_t at_ = 0;
  bool space_ = false;
  int brackets_ = 0;               // open ones within which commas separate elements
  std::vector<bool> open_braces_;  // whether each open "{" is one of them
  bool ambiguous_commas_ = false;
  bool ambiguous_euler_ = false;
  std::vector<Token> tokens_;
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/lexer.ipp"
#endif
