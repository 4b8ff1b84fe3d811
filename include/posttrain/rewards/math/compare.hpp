// SPDX-License-Identifier: Apache-2.0
// Whether an answer says what the gold answer says: numbers, expressions, lists and sets, tuples
// and intervals, matrices, equations, inequalities, words.
//
// The two sides are not symmetric. "x = 5" answers a question for 5, and an interval answers one
// for an inequality; an inequality does not answer one for an interval, because it may be the
// question's own.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/rewards/math/expression.hpp"
#include "posttrain/rewards/math/scalar.hpp"

namespace posttrain::rewards {

struct ComparisonOptions {
  double relative_tolerance = 1e-8;     // of numbers with a decimal point
  bool percent_is_number = true;        // 28 % is 28 as well as 0.28
  bool inequality_as_interval = false;  // −2 ≤ x ≤ 7 answers a question for [−2, 7]
};

class Comparer {
 public:
  explicit Comparer(ComparisonOptions options) : options_(options) {}

  Equality operator()(const Expression& answer, const Expression& gold);

 private:
  using Kind = ExpressionKind;
  /// f < 0, f ≤ 0 or f ≠ 0.
  struct Inequality {
    Expression f;
    char sign = relation::less;
  };
  static constexpr int kMostComparisons = 5000;
  static constexpr std::size_t kMostElements = 200;
  static constexpr int kDeepest = 24;

  bool same(const Expression& a, const Expression& g);
  bool same_scalars(Scalar& a, Scalar& g);
  bool same_percents(const Expression& a, const Expression& g);
  bool same_relations(const Expression& a, const Expression& g);
  bool same_equations(const Expression& a, const Expression& g);
  bool same_inequalities(const Expression& a, const Expression& g);
  bool same_sets(const std::vector<Expression>& a, const std::vector<Expression>& g);
  bool same_brackets(const Expression& a, const Expression& g);
  bool same_words(const Expression& a, const Expression& g);
  /// The same number of operands, equal one by one.
  bool same_in_order(const std::vector<Expression>& a, const std::vector<Expression>& g);
  bool equal_numbers(const Expression& a, const Expression& b);

  /// What "x = 5", "x ∈ S" and "x = 2 + 3 = 5" give x; nothing where there is no such x.
  /// `sums`: also "m + n = 5", which as a gold answer would be an equation.
  std::optional<Expression> value_of(const Expression& relation, bool sums = false);
  /// Elements of a list, a set, or an expression with ±; one where it is neither.
  std::vector<Expression> elements(const Expression& x);
  std::vector<Expression> without_targets(std::vector<Expression> elements);
  /// The set of numbers that inequalities in one symbol describe.
  std::optional<Expression> interval_of(const Expression& inequality);
  /// Intervals and finite sets whose union this is; nothing where it is no such set.
  std::optional<std::vector<Expression>> pieces(const Expression& x);
  std::optional<std::vector<Inequality>> conditions(const Expression& x);

  ComparisonOptions options_;
  int comparisons_ = 0;
  int level_ = 0;
  bool undecided_ = false;
};

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/math/impl/compare.ipp"
#endif
