// SPDX-License-Identifier: Apache-2.0
// Operators of expressions, with the precedence of Jinja's own parser.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/operand_parser.hpp"

namespace posttrain::text::jinja {

class ExpressionParser : protected OperandParser {
 protected:
  using OperandParser::OperandParser;

  ExpressionPtr tuple(bool with_conditional = true) override {
    const Place place = peek().place;
    const auto part = [&] { return with_conditional ? expression() : disjunction(); };
    auto first = part();
    if (!is_operator(",")) return first;
    auto made = node(Kind::kTuple, place);
    adopt(*made, std::move(first));
    while (skip_operator(",")) {
      const TokenKind kind = peek().kind;
      if (kind == TokenKind::kPrintEnd || kind == TokenKind::kBlockEnd || is_operator(")")) break;
      adopt(*made, part());
    }
    return made;
  }

  ExpressionPtr expression() override {
    const Nesting level(*this);
    const auto unknown = unknown_;
    auto value = disjunction();
    while (is_name("if")) {
      const Place place = next().place;
      auto made = node(Kind::kConditional, place);
      adopt(*made, disjunction());
      adopt(*made, std::move(value));
      adopt(*made, skip_name("else") ? expression() : nullptr);
      value = std::move(made);
      unknown_ = unknown;
    }
    return value;
  }

  ExpressionPtr disjunction() {
    auto left = conjunction();
    while (skip_name("or")) left = binary(Kind::kOr, "", std::move(left), conjunction());
    return left;
  }

  ExpressionPtr conjunction() {
    auto left = negation();
    while (skip_name("and")) left = binary(Kind::kAnd, "", std::move(left), negation());
    return left;
  }

  ExpressionPtr negation() {
    const Nesting level(*this);
    if (!is_name("not")) return comparison();
    auto made = node(Kind::kNot, next().place);
    adopt(*made, negation());
    return made;
  }

  ExpressionPtr comparison() {
    auto first = sum();
    ExpressionPtr made;
    for (;;) {
      std::string op;
      if (peek().kind == TokenKind::kOperator) {
        const std::string& text = peek().text;
        if (text == "==" || text == "!=" || text == "<" || text == "<=" || text == ">" ||
            text == ">=") {
          op = text;
        }
      } else if (is_name("in")) {
        op = "in";
      } else if (is_name("not") && is_name("in", 1)) {
        op = "not in";
        ++at_;
      }
      if (op.empty()) return made ? std::move(made) : std::move(first);
      ++at_;
      if (!made) {
        made = node(Kind::kCompare, first->place);
        adopt(*made, std::move(first));
      }
      made->operators.push_back(op);
      adopt(*made, sum());
    }
  }

  template <class Operand>
  ExpressionPtr left_associative(std::initializer_list<std::string_view> operators,
                                 Operand&& operand) {
    auto left = operand();
    for (;;) {
      const bool found = std::any_of(operators.begin(), operators.end(),
                                     [&](std::string_view op) { return is_operator(op); });
      if (!found) return left;
      std::string op = next().text;
      left = binary(Kind::kBinary, std::move(op), std::move(left), operand());
    }
  }

  ExpressionPtr sum() {
    return left_associative({"+", "-"}, [&] { return concatenation(); });
  }
  ExpressionPtr concatenation() {
    return left_associative({"~"}, [&] { return product(); });
  }
  ExpressionPtr product() {
    return left_associative({"*", "//", "/", "%"}, [&] { return power(); });
  }
  ExpressionPtr power() {
    return left_associative({"**"}, [&] { return unary(true); });
  }

  ExpressionPtr unary(bool with_filter) {
    const Nesting level(*this);
    ExpressionPtr made;
    if (is_operator("-") || is_operator("+")) {
      const Token sign = next();
      made = node(sign.text == "-" ? Kind::kNegate : Kind::kPositive, sign.place);
      adopt(*made, unary(false));
    } else {
      made = primary();
    }
    made = postfix(std::move(made));
    return with_filter ? filter_or_test(std::move(made)) : std::move(made);
  }
};

}  // namespace posttrain::text::jinja
