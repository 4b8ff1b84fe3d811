// SPDX-License-Identifier: Apache-2.0
// Definitions of compare.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/math/compare.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"

namespace posttrain::rewards {

namespace detail {

inline bool is_interval(const Expression& x) {
  return x.is(ExpressionKind::brackets) && x.operands.size() == 2 && x.name != "::";
}

/// What a value may be given to: x, f(x), ABC, P(A), (x, y), and with `sums` m + n.
inline bool is_target(const Expression& x, bool sums = false) {
  const auto is_factor = [](const Expression& each) {
    return each.is(ExpressionKind::symbol) ||
           (each.is(ExpressionKind::power) && each.operands[0].is(ExpressionKind::symbol) &&
            each.operands[1].is(ExpressionKind::number) && each.operands[1].value == Rational(-1));
  };
  switch (x.kind) {
    case ExpressionKind::symbol:
    case ExpressionKind::words:
      return true;
    case ExpressionKind::function:
      return contains(x, [](const Expression& node) { return node.is(ExpressionKind::symbol); });
    case ExpressionKind::product:
      return std::all_of(x.operands.begin(), x.operands.end(), is_factor);
    case ExpressionKind::sum:
      return sums && std::all_of(x.operands.begin(), x.operands.end(), [](const Expression& each) {
               return each.is(ExpressionKind::symbol);
             });
    case ExpressionKind::brackets:
      return x.name == "()" &&
             std::all_of(x.operands.begin(), x.operands.end(),
                         [](const Expression& each) { return each.is(ExpressionKind::symbol); });
    default:
      return false;
  }
}

/// Whether a symbol of the target occurs in its value.
inline bool depends_on(const Expression& value, const Expression& target) {
  return !target.is(ExpressionKind::function) && contains(target, [&](const Expression& symbol) {
    return symbol.is(ExpressionKind::symbol) && contains(value, [&](const Expression& node) {
             return node.is(ExpressionKind::symbol, symbol.name);
           });
  });
}

inline Expression difference_of(const Expression& a, const Expression& b) {
  std::vector<Expression> terms;
  terms.push_back(a);
  terms.push_back(negated(b));
  return make(ExpressionKind::sum, std::move(terms));
}

inline bool is_ordering(char sign) {
  return sign == relation::less || sign == relation::greater || sign == relation::at_most ||
         sign == relation::at_least;
}

inline bool is_inequality(const Expression& x) {
  return x.is(ExpressionKind::relation) && std::all_of(x.name.begin(), x.name.end(), [](char sign) {
           return is_ordering(sign) || sign == relation::unequal;
         });
}

inline bool is_equation(const Expression& x) {
  return x.is(ExpressionKind::relation) && std::all_of(x.name.begin(), x.name.end(), [](char sign) {
           return sign == relation::equal || sign == relation::about;
         });
}

/// The expression with every ± taken as plus, or as minus.
inline Expression with_sign(const Expression& x, bool plus) {
  Expression result = x;
  for (Expression& operand : result.operands) operand = with_sign(operand, plus);
  if (!result.is(ExpressionKind::plus_minus)) return result;
  Expression inside = std::move(result.operands.front());
  return (result.name == "+") == plus ? inside : negated(std::move(inside));
}

inline bool has_plus_minus(const Expression& x) {
  return contains(x, [](const Expression& node) { return node.is(ExpressionKind::plus_minus); });
}

inline Expression interval(Expression from, Expression to, std::string name) {
  std::vector<Expression> ends;
  ends.push_back(std::move(from));
  ends.push_back(std::move(to));
  return make(ExpressionKind::brackets, std::move(ends), std::move(name));
}

inline Expression infinity(bool positive) {
  Expression x = make_name(ExpressionKind::constant, "infinity");
  return positive ? x : negated(std::move(x));
}

inline bool means_all_reals(const Expression& x) {
  if (x.is(ExpressionKind::numbers, "R")) return true;
  return x.is(ExpressionKind::words) &&
         (x.name == "all real numbers" || x.name == "all reals" || x.name == "real numbers");
}

}  // namespace detail

POSTTRAIN_INLINE Equality Comparer::operator()(const Expression& answer, const Expression& gold) {
  comparisons_ = 0;
  level_ = 0;
  undecided_ = false;
  if (same(answer, gold)) return Equality::equal;
  return undecided_ ? Equality::undecided : Equality::different;
}

POSTTRAIN_INLINE bool Comparer::same(const Expression& a, const Expression& g) {
  if (level_ >= kDeepest || ++comparisons_ > kMostComparisons) {
    undecided_ = true;
    return false;
  }
  struct Level {
    explicit Level(int& its_level) : level(++its_level) {}
    ~Level() { --level; }
    int& level;
  } const level(level_);
  if (a.is(Kind::relation) || g.is(Kind::relation)) return same_relations(a, g);
  if (a.is(Kind::words) || g.is(Kind::words)) {
    if (same_words(a, g)) return true;
    if (!detail::means_all_reals(a) && !detail::means_all_reals(g)) return false;
  }
  // Conditions joined by "and" against a chain of them is same_relations' case; these are lists.
  if (const auto wanted = conditions(g); wanted && !g.is(Kind::relation)) {
    if (const auto given = conditions(a)) return same_inequalities(a, g);
    const auto described = interval_of(g);
    return described && same(a, *described);
  }
  if (a.is(Kind::list) && conditions(a)) {
    const auto described = options_.inequality_as_interval ? interval_of(a) : std::nullopt;
    return described && same(*described, g);
  }
  const auto is_union = [](const Expression& x) {
    return x.is(Kind::set_union) || x.is(Kind::difference) || x.is(Kind::intersection) ||
           detail::means_all_reals(x);
  };
  if (is_union(a) || is_union(g)) {
    const auto given = pieces(a), wanted = pieces(g);
    if (given && wanted) {
      if (given->size() == 1 && wanted->size() == 1 && !is_union(given->front()) &&
          !is_union(wanted->front())) {
        return same(given->front(), wanted->front());
      }
      return same_sets(*given, *wanted);
    }
    return canonical(a) == canonical(g);
  }
  const auto is_many = [](const Expression& x) {
    return x.is(Kind::list) || x.is(Kind::set) || detail::has_plus_minus(x);
  };
  if (is_many(a) || is_many(g)) {
    const std::vector<Expression> given = without_targets(elements(a));
    const std::vector<Expression> wanted = without_targets(elements(g));
    return same_sets(given, wanted);
  }
  if (a.is(Kind::brackets) || g.is(Kind::brackets) || a.is(Kind::matrix) || g.is(Kind::matrix)) {
    return same_brackets(a, g);
  }
  if (a.is(Kind::percent) || g.is(Kind::percent)) return same_percents(a, g);
  if (is_scalar(a) && is_scalar(g)) {
    Scalar given(a), wanted(g);
    return same_scalars(given, wanted);
  }
  return canonical(a) == canonical(g);
}

// ---- numbers and words --------------------------------------------------------------------------

POSTTRAIN_INLINE bool Comparer::same_scalars(Scalar& a, Scalar& g) {
  ++comparisons_;
  const Equality result = equality(a, g, options_.relative_tolerance);
  undecided_ |= result == Equality::undecided;
  return result == Equality::equal;
}

POSTTRAIN_INLINE bool Comparer::equal_numbers(const Expression& a, const Expression& b) {
  if (!is_scalar(a) || !is_scalar(b)) return canonical(a) == canonical(b);
  Scalar x(a), y(b);
  return same_scalars(x, y);
}

POSTTRAIN_INLINE bool Comparer::same_percents(const Expression& a, const Expression& g) {
  if (equal_numbers(a, g)) return true;
  if (!options_.percent_is_number || a.kind == g.kind) return false;
  return a.is(Kind::percent) ? same(a.operands.front(), g) : same(a, g.operands.front());
}

POSTTRAIN_INLINE bool Comparer::same_words(const Expression& a, const Expression& g) {
  if (a.is(Kind::words) && g.is(Kind::words)) return a.name == g.name;
  const Expression& words = a.is(Kind::words) ? a : g;
  const Expression& other = a.is(Kind::words) ? g : a;
  if (!is_scalar(other) || words.name.size() > 4) return false;
  std::vector<Expression> letters;  // "abc" for a · b · c
  for (const char c : words.name) {
    if (c < 'a' || c > 'z') return false;
    letters.push_back(make_name(Kind::symbol, std::string(1, c)));
  }
  const Expression product = make(Kind::product, std::move(letters));
  return equal_numbers(product, other);
}

// ---- lists, sets, tuples ------------------------------------------------------------------------

POSTTRAIN_INLINE std::vector<Expression> Comparer::elements(const Expression& x) {
  std::vector<Expression> result;
  if (x.is(Kind::list) || x.is(Kind::set)) {
    for (const Expression& operand : x.operands) {
      // A set among elements is an element; a list, or ±, is several.
      if (operand.is(Kind::list) || detail::has_plus_minus(operand)) {
        for (Expression& each : elements(operand)) result.push_back(std::move(each));
      } else {
        result.push_back(operand);
      }
    }
  } else if (x.is(Kind::brackets) && detail::has_plus_minus(x)) {
    // Each coordinate for itself: (±1, ±2) are four points.
    result.push_back(x);
    for (std::size_t i = 0; i < x.operands.size() && result.size() <= kMostElements; ++i) {
      if (!detail::has_plus_minus(x.operands[i])) continue;
      std::vector<Expression> both;
      for (const Expression& each : result) {
        for (const bool plus : {true, false}) {
          both.push_back(each);
          both.back().operands[i] = detail::with_sign(x.operands[i], plus);
        }
      }
      result = std::move(both);
    }
  } else if (detail::has_plus_minus(x)) {
    result.push_back(detail::with_sign(x, true));
    result.push_back(detail::with_sign(x, false));
  } else {
    result.push_back(x);
  }
  return result;
}

POSTTRAIN_INLINE std::vector<Expression> Comparer::without_targets(
    std::vector<Expression> elements) {
  std::vector<Expression> values;
  std::string target;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const Expression& each = elements[i];
    if (!each.is(Kind::relation)) {
      // "x = 1, 2": the first names what all are.
      if (i == 0 || values.empty()) return elements;
      values.push_back(each);
      continue;
    }
    auto value = value_of(each);
    if (!value) return elements;
    const bool left = detail::is_target(each.operands.front());
    const std::string its_target = canonical(left ? each.operands.front() : each.operands.back());
    if (target.empty()) target = its_target;
    if (its_target != target) return elements;
    for (Expression& every : this->elements(*value)) values.push_back(std::move(every));
  }
  return values;
}

POSTTRAIN_INLINE bool Comparer::same_sets(const std::vector<Expression>& a,
                                          const std::vector<Expression>& g) {
  if (a.size() > kMostElements || g.size() > kMostElements) {
    undecided_ = true;
    return false;
  }
  if (a.empty() || g.empty()) return a.empty() && g.empty();
  // Kept, so that each element is evaluated once and not once for each partner.
  std::deque<Scalar> given, wanted;
  for (const Expression& each : a) given.emplace_back(each);
  for (const Expression& each : g) wanted.emplace_back(each);
  std::vector<bool> found(g.size(), false);
  const auto match = [&](std::size_t i, std::size_t j) {
    const bool percents = a[i].is(Kind::percent) || g[j].is(Kind::percent);
    if (!percents && is_scalar(a[i]) && is_scalar(g[j])) {
      return same_scalars(given[i], wanted[j]);
    }
    // An element that is an equation is not its value: there is more than one unknown.
    // Nor is a set within a set its only element.
    if (a.size() + g.size() > 2 && (a[i].is(Kind::relation) != g[j].is(Kind::relation) ||
                                    a[i].is(Kind::set) != g[j].is(Kind::set))) {
      return false;
    }
    return same(a[i], g[j]);
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    bool any = false;
    for (std::size_t j = 0; j < g.size() && comparisons_ <= kMostComparisons; ++j) {
      if (any && found[j]) continue;
      if (match(i, j)) any = found[j] = true;
    }
    if (!any) return false;
  }
  return std::find(found.begin(), found.end(), false) == found.end();
}

POSTTRAIN_INLINE bool Comparer::same_in_order(const std::vector<Expression>& a,
                                              const std::vector<Expression>& g) {
  if (a.size() != g.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], g[i])) return false;
  }
  return true;
}

POSTTRAIN_INLINE bool Comparer::same_brackets(const Expression& a, const Expression& g) {
  const auto is_ratio = [](const Expression& x) { return x.is(Kind::brackets, "::"); };
  if (is_ratio(a) || is_ratio(g)) {
    // 3 : 2 is 6 : 4, and 3/2 where there are two parts.
    const auto parts = [&](const Expression& x) {
      if (is_ratio(x)) return x.operands;
      std::vector<Expression> fraction;
      fraction.push_back(x);
      fraction.push_back(make_number(1));
      return fraction;
    };
    const auto x = parts(a), y = parts(g);
    if (x.size() != y.size()) return false;
    const auto is_number = [](const Expression& each) { return is_scalar(each); };
    if (!std::all_of(x.begin(), x.end(), is_number) ||
        !std::all_of(y.begin(), y.end(), is_number)) {
      return a.kind == g.kind && a.name == g.name && same_in_order(a.operands, g.operands);
    }
    for (std::size_t i = 1; i < x.size(); ++i) {
      const Expression left = make(Kind::product, {x[0], y[i]});
      const Expression right = make(Kind::product, {x[i], y[0]});
      if (!equal_numbers(left, right)) return false;
    }
    return true;
  }
  const auto is_vector = [](const Expression& x) {
    return x.is(Kind::matrix) && x.name.empty() &&
           (x.columns == 1 || x.columns == x.operands.size());
  };
  const auto is_tuple = [](const Expression& x) { return x.is(Kind::brackets, "()"); };
  if ((is_vector(a) && is_tuple(g)) || (is_tuple(a) && is_vector(g))) {
    return same_in_order(a.operands, g.operands);
  }
  return a.kind == g.kind && a.name == g.name && a.columns == g.columns &&
         same_in_order(a.operands, g.operands);
}

POSTTRAIN_INLINE std::optional<std::vector<Expression>> Comparer::pieces(const Expression& x) {
  std::vector<Expression> result;
  if (detail::means_all_reals(x)) {
    result.push_back(detail::interval(detail::infinity(false), detail::infinity(true), "()"));
    return result;
  }
  if (x.is(Kind::set_union)) {
    std::vector<Expression> loose;  // elements of the finite sets, together
    for (const Expression& operand : x.operands) {
      auto parts = pieces(operand);
      if (!parts) return {};
      for (Expression& part : *parts) {
        if (part.is(Kind::set)) {
          for (Expression& each : part.operands) loose.push_back(std::move(each));
        } else {
          result.push_back(std::move(part));
        }
      }
    }
    if (!loose.empty()) result.push_back(make(Kind::set, std::move(loose)));
    return result;
  }
  if (x.is(Kind::set) || x.is(Kind::list)) {
    result.push_back(make(Kind::set, elements(x)));
    return result;
  }
  if (x.is(Kind::brackets)) {
    result.push_back(x);
    return result;
  }
  if (!x.is(Kind::intersection) && !x.is(Kind::difference)) return {};
  const bool common = x.is(Kind::intersection);
  auto left = pieces(x.operands.front());
  if (!left || left->size() != 1) return {};
  for (std::size_t i = 1; i < x.operands.size(); ++i) {
    const auto right = pieces(x.operands[i]);
    if (!right || right->size() != 1 || !right->front().is(Kind::set)) return {};
    const std::vector<Expression>& points = right->front().operands;
    Expression& whole = left->front();
    if (whole.is(Kind::set)) {
      std::vector<Expression> kept;
      for (const Expression& each : whole.operands) {
        bool inside = false;
        for (const Expression& point : points) inside = inside || same(each, point);
        if (inside == common) kept.push_back(each);
      }
      whole.operands = std::move(kept);
      continue;
    }
    // ℝ without some points: the intervals between them, in order.
    if (common || !detail::means_all_reals(x.operands.front()) || x.operands.size() != 2) return {};
    std::vector<std::pair<double, const Expression*>> order;
    for (const Expression& point : points) {
      const SampledValue value = sampled_value(point, {});
      if (!value.defined || std::abs(value.value.imag()) > 8 * value.error) return {};
      if (contains(point, [](const Expression& n) { return n.is(Kind::symbol); })) return {};
      order.emplace_back(value.value.real(), &point);
    }
    std::sort(order.begin(), order.end());
    Expression from = detail::infinity(false);
    for (const auto& each : order) {
      result.push_back(detail::interval(std::move(from), *each.second, "()"));
      from = *each.second;
    }
    result.push_back(detail::interval(std::move(from), detail::infinity(true), "()"));
    return result;
  }
  return left;
}

// ---- relations ----------------------------------------------------------------------------------

POSTTRAIN_INLINE std::optional<Expression> Comparer::value_of(const Expression& relation,
                                                              bool sums) {
  const std::vector<Expression>& sides = relation.operands;
  if (relation.name == "e") {
    if (!detail::is_target(sides[0])) return {};
    return sides[1];
  }
  if (!detail::is_equation(relation)) return {};
  // √2 ≈ 1.414 says √2; x ≈ 1.414 says 1.414.
  std::size_t count = sides.size();
  while (count > 1 && relation.name[count - 2] == relation::about &&
         !(count == 2 && detail::is_target(sides[0]))) {
    --count;
  }
  if (count == 1) return sides[0];
  if (count == 2) {
    if (detail::is_target(sides[0], sums) && !detail::depends_on(sides[1], sides[0]))
      return sides[1];
    if (detail::is_target(sides[1]) && !detail::depends_on(sides[0], sides[1])) return sides[0];
  }
  // 2 + 3 = 5, x = 2 + 3 = 5: all the same number, or it says nothing.
  const Expression& last = sides[count - 1];
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (count > 2 && detail::is_target(sides[i], sums)) continue;  // x = y = 5
    if (!is_scalar(sides[i]) || !is_scalar(last) || !equal_numbers(sides[i], last)) {
      return {};
    }
  }
  return last;
}

POSTTRAIN_INLINE bool Comparer::same_relations(const Expression& a, const Expression& g) {
  if (a.is(Kind::relation) && g.is(Kind::relation)) {
    if (detail::is_inequality(a) && detail::is_inequality(g)) return same_inequalities(a, g);
    if (detail::is_equation(a) && detail::is_equation(g)) return same_equations(a, g);
    const auto given = value_of(a), wanted = value_of(g);
    if (given && wanted) return same(*given, *wanted);
    if (given && a.name == "e" && detail::is_inequality(g)) return same(*given, g);
    if (wanted && g.name == "e" && detail::is_inequality(a)) return same(a, *wanted);
    return false;
  }
  if (g.is(Kind::relation)) {
    if (detail::is_inequality(g)) {
      if (conditions(a)) return same_inequalities(a, g);
      const auto interval = interval_of(g);
      return interval && !is_scalar(a) && same(a, *interval);
    }
    const auto value = value_of(g);
    return value && same(a, *value);
  }
  if (detail::is_inequality(a)) {
    if (conditions(g)) return same_inequalities(a, g);
    if (!options_.inequality_as_interval) return false;
    const auto interval = interval_of(a);
    return interval && !is_scalar(g) && same(*interval, g);
  }
  const auto value = value_of(a, true);
  return value && same(*value, g);
}

POSTTRAIN_INLINE bool Comparer::same_equations(const Expression& a, const Expression& g) {
  const auto given = value_of(a), wanted = value_of(g);
  const auto target = [](const Expression& x) {
    return canonical(detail::is_target(x.operands.front()) ? x.operands.front()
                                                           : x.operands.back());
  };
  if (given && wanted && target(a) == target(g)) return same(*given, *wanted);
  if (a.operands.size() != 2 || g.operands.size() != 2) {
    return given && wanted && same(*given, *wanted);
  }
  for (const Expression* x : {&a, &g}) {
    for (const Expression& side : x->operands) {
      if (!is_scalar(side)) return canonical(a) == canonical(g);
    }
  }
  const Expression left = detail::difference_of(a.operands[0], a.operands[1]);
  const Expression right = detail::difference_of(g.operands[0], g.operands[1]);
  Scalar x(left), y(right);
  ++comparisons_;
  const Equality result = proportionality(x, y, options_.relative_tolerance, false);
  undecided_ |= result == Equality::undecided;
  return result == Equality::equal;
}

POSTTRAIN_INLINE std::optional<std::vector<Comparer::Inequality>> Comparer::conditions(
    const Expression& x) {
  std::vector<Inequality> result;
  if (x.is(Kind::list)) {
    if (x.operands.empty()) return {};
    for (const Expression& each : x.operands) {
      if (!detail::is_inequality(each)) return {};
      auto part = conditions(each);
      if (!part) return {};
      for (Inequality& one : *part) result.push_back(std::move(one));
    }
    return result;
  }
  if (!detail::is_inequality(x)) return {};
  for (std::size_t i = 0; i + 1 < x.operands.size(); ++i) {
    const Expression& left = x.operands[i];
    const Expression& right = x.operands[i + 1];
    if (!is_scalar(left) || !is_scalar(right)) return {};
    const char sign = x.name[i];
    const bool turned = sign == relation::greater || sign == relation::at_least;
    result.push_back(
        {turned ? detail::difference_of(right, left) : detail::difference_of(left, right),
         sign == relation::greater    ? relation::less
         : sign == relation::at_least ? relation::at_most
                                      : sign});
  }
  return result;
}

POSTTRAIN_INLINE bool Comparer::same_inequalities(const Expression& a, const Expression& g) {
  const auto given = conditions(a), wanted = conditions(g);
  if (!given || !wanted) return false;
  // "x < 1 or x > 3" is not "x < 1 and x > 3"; a comma may be either.
  const auto joined_by = [](const Expression& x) {
    return x.is(Kind::list)        ? x.name
           : x.operands.size() > 2 ? std::string("and")
                                   : std::string(",");
  };
  const std::string how = joined_by(a), its = joined_by(g);
  if ((how == "or" && its == "and") || (how == "and" && its == "or")) return false;
  if (given->size() != wanted->size() || given->size() > 20) return false;
  std::vector<bool> used(wanted->size(), false);
  for (const Inequality& mine : *given) {
    bool found = false;
    for (std::size_t j = 0; j < wanted->size() && !found; ++j) {
      const Inequality& theirs = (*wanted)[j];
      if (used[j] || mine.sign != theirs.sign) continue;
      Scalar x(mine.f), y(theirs.f);
      ++comparisons_;
      const bool either = mine.sign == relation::unequal;
      const Equality result = proportionality(x, y, options_.relative_tolerance, !either);
      undecided_ |= result == Equality::undecided;
      if (result == Equality::equal) found = used[j] = true;
    }
    if (!found) return false;
  }
  return true;
}

POSTTRAIN_INLINE std::optional<Expression> Comparer::interval_of(const Expression& inequality) {
  const std::vector<Expression>& sides = inequality.operands;
  if (inequality.is(Kind::list) && inequality.name != "and") {
    std::vector<Expression> parts;
    for (const Expression& each : sides) {
      auto part = interval_of(each);
      if (!part) return {};
      parts.push_back(std::move(*part));
    }
    return make(Kind::set_union, std::move(parts));
  }
  if (!detail::is_inequality(inequality)) return {};
  const auto below = [](char sign) {  // left of the sign is the smaller side
    return sign == relation::less || sign == relation::at_most;
  };
  const auto closed = [](char sign) {
    return sign == relation::at_most || sign == relation::at_least;
  };
  const char first = inequality.name[0];
  if (sides.size() == 2) {
    const bool left = sides[0].is(Kind::symbol);
    if (left == sides[1].is(Kind::symbol)) return {};
    const Expression& end = left ? sides[1] : sides[0];
    if (first == relation::unequal) {
      std::vector<Expression> operands;
      operands.push_back(make_name(Kind::numbers, "R"));
      operands.push_back(make(Kind::set, {end}));
      return make(Kind::difference, std::move(operands));
    }
    if (below(first) == left) {
      return detail::interval(detail::infinity(false), end, closed(first) ? "(]" : "()");
    }
    return detail::interval(end, detail::infinity(true), closed(first) ? "[)" : "()");
  }
  if (sides.size() != 3 || !sides[1].is(Kind::symbol)) return {};
  const char second = inequality.name[1];
  if (!detail::is_ordering(first) || !detail::is_ordering(second) ||
      below(first) != below(second)) {
    return {};
  }
  const bool rising = below(first);
  std::string name(closed(rising ? first : second) ? "[" : "(");
  name += closed(rising ? second : first) ? ']' : ')';
  return detail::interval(sides[rising ? 0 : 2], sides[rising ? 2 : 0], std::move(name));
}

}  // namespace posttrain::rewards
