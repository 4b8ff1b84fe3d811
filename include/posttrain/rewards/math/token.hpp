// SPDX-License-Identifier: Apache-2.0
// What the lexer cuts an answer into.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "posttrain/rewards/math/rational.hpp"

namespace posttrain::rewards {

enum class TokenKind : std::uint8_t {
  number,
  word,        // letters: words, or symbols that are multiplied
  command,     // LaTeX's, without the backslash
  text,        // what \text{…} and the like hold
  mark,        // operators and brackets; "\{" is one, "{" another
  relation,    // text: the sign, as in expression.hpp
  connective,  // "and", "or"
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // a number's digits as they stood, if they are nothing but digits
  bool space_before = false;
  bool decimal = false;  // of a number: written with a point
  int base = 10;
  Rational value;

  bool is(TokenKind its_kind, std::string_view its_text) const {
    return kind == its_kind && text == its_text;
  }
  bool is_mark(std::string_view its_text) const { return is(TokenKind::mark, its_text); }
};

}  // namespace posttrain::rewards
