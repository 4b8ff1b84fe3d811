// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/math/expression.hpp"

#include "support/catch.hpp"

using namespace posttrain::rewards;
using Kind = ExpressionKind;

namespace {

Expression x() { return make_name(Kind::symbol, "x"); }
Expression y() { return make_name(Kind::symbol, "y"); }

}  // namespace

TEST_CASE("Canonical texts ignore the order of sums, products and sets, and no other") {
  const auto both = [](Kind kind) {
    return canonical(make(kind, {x(), y()})) == canonical(make(kind, {y(), x()}));
  };
  CHECK(both(Kind::sum));
  CHECK(both(Kind::product));
  CHECK(both(Kind::set));
  CHECK(both(Kind::list));
  CHECK(both(Kind::set_union));
  CHECK_FALSE(both(Kind::power));
  CHECK_FALSE(both(Kind::brackets));
  CHECK_FALSE(both(Kind::matrix));
  CHECK_FALSE(both(Kind::difference));
  CHECK_FALSE(both(Kind::relation));
}

TEST_CASE("Different things have different canonical texts") {
  CHECK(canonical(make_name(Kind::symbol, "e")) != canonical(make_name(Kind::constant, "e")));
  CHECK(canonical(make_name(Kind::symbol, "x")) != canonical(make_name(Kind::words, "x")));
  CHECK(canonical(make(Kind::brackets, {x(), y()}, "()")) !=
        canonical(make(Kind::brackets, {x(), y()}, "[)")));
  Expression row = make(Kind::matrix, {x(), y()}), column = row;
  row.columns = 2;
  column.columns = 1;
  CHECK(canonical(row) != canonical(column));
  Expression based = make_number(5);
  based.base = 2;
  CHECK(canonical(based) != canonical(make_number(5)));
}

TEST_CASE("Numbers are negated and inverted as numbers, all else as products and powers") {
  CHECK(canonical(negated(make_number(3))) == "-3");
  CHECK(canonical(inverted(make_number(3))) == "1/3");
  CHECK(canonical(inverted(make_number(0))) == "^(0,-1)");
  CHECK(canonical(negated(x())) == "*(-1,x)");
  CHECK(canonical(inverted(x())) == "^(x,-1)");
  CHECK(negated(make(Kind::plus_minus, {x()}, "+")).name == "-");
}

TEST_CASE("Scalars are what has one number as its value") {
  CHECK(is_scalar(x()));
  CHECK(is_scalar(make(Kind::percent, {x()})));
  CHECK_FALSE(is_scalar(make(Kind::set, {x()})));
  CHECK_FALSE(is_scalar(make_name(Kind::words, "odd")));
  CHECK_FALSE(is_scalar(make(Kind::plus_minus, {x()}, "+")));
  CHECK(contains(make(Kind::sum, {x(), y()}),
                 [](const Expression& node) { return node.is(Kind::symbol, "y"); }));
  CHECK_FALSE(contains(x(), [](const Expression& node) { return node.is(Kind::number); }));
}
