// SPDX-License-Identifier: Apache-2.0
// What an answer says, as a tree: numbers, symbols, sums, products, powers, functions, and what is
// made of them: lists, sets, tuples and intervals, matrices, relations, words.
//
// a − b is a + (−1)·b and a / b is a · b^(−1), so that one rule serves both. Lists and sums are
// flat.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/rewards/math/rational.hpp"

namespace posttrain::rewards {

enum class ExpressionKind : std::uint8_t {
  number,        // value; base; decimal
  symbol,        // name
  constant,      // name: "pi", "e", "i", "infinity"
  sum,           // operands
  product,       // operands
  power,         // operands: base, exponent
  root,          // operands: radicand, degree
  function,      // name; operands: arguments
  percent,       // one operand, to be divided by 100
  plus_minus,    // one operand with either sign; name: "+" for ±, "-" for ∓
  list,          // operands between commas, without brackets; name: "and", "or" or ","
  set,           // operands in braces
  brackets,      // operands between commas; name: "(]" and the like: a tuple or an interval
  numbers,       // name: "R", "Q", "Z", "N", "C"
  set_union,     // operands
  intersection,  // operands
  difference,    // operands: of the first without the second
  matrix,        // operands, row by row; columns
  relation,      // operands with a sign between each; name: one character for each sign
  words,         // name: in lower case, one blank between words
};

struct Expression {
  ExpressionKind kind = ExpressionKind::number;
  bool decimal = false;  // a number that was written with a decimal point: it may be rounded
  int base = 10;         // of a number that was written with its base (101_2)
  std::size_t columns = 0;
  Rational value;
  std::string name;
  std::vector<Expression> operands;

  bool is(ExpressionKind its_kind) const { return kind == its_kind; }
  bool is(ExpressionKind its_kind, std::string_view its_name) const {
    return kind == its_kind && name == its_name;
  }
};

/// Signs of relations: '=', '<', '>', 'l' (≤), 'g' (≥), '!' (≠), '~' (≈), 'e' (∈).
namespace relation {
inline constexpr char equal = '=', less = '<', greater = '>', at_most = 'l', at_least = 'g',
                      unequal = '!', about = '~', element = 'e';
}  // namespace relation

Expression make_number(Rational value);
Expression make(ExpressionKind kind, std::vector<Expression> operands, std::string name = {});
Expression make_name(ExpressionKind kind, std::string name);
/// −x and 1/x; of numbers as numbers.
Expression negated(Expression x);
Expression inverted(Expression x);

/// Whether it is one number, or would be if its symbols were.
bool is_scalar(const Expression& expression);

/// A text that equal trees share, whatever the order of their sums, products and sets.
std::string canonical(const Expression& expression);

/// Whether a node for which `fits(node)` holds is somewhere in the tree.
template <class Fits>
bool contains(const Expression& expression, const Fits& fits) {
  if (fits(expression)) return true;
  for (const Expression& operand : expression.operands) {
    if (contains(operand, fits)) return true;
  }
  return false;
}

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/expression.ipp"
#endif
