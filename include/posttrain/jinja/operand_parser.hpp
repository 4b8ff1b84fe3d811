// SPDX-License-Identifier: Apache-2.0
// Operands of expressions: literals, names, subscripts, calls, filters and tests.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/tree_builder.hpp"

namespace posttrain::text::jinja {

bool has_filter(std::string_view name);
bool has_test(std::string_view name);

class OperandParser : protected TreeBuilder {
 protected:
  using TreeBuilder::TreeBuilder;
  virtual ~OperandParser() = default;

  // One expression; and one or, with commas, a tuple of them.
  virtual ExpressionPtr expression() = 0;
  virtual ExpressionPtr tuple(bool with_conditional = true) = 0;

  ExpressionPtr constant(Value value, Place place) const {
    auto made = node(Kind::kConstant, place);
    made->constant = std::move(value);
    return made;
  }

  ExpressionPtr primary() {
    const Token token = next();
    switch (token.kind) {
      case TokenKind::kName:
        if (token.text == "true" || token.text == "True") return constant(true, token.place);
        if (token.text == "false" || token.text == "False") return constant(false, token.place);
        if (token.text == "none" || token.text == "None") return constant(nullptr, token.place);
        return node(Kind::kName, token.place, token.text);
      case TokenKind::kString: {
        std::string text = token.text;
        while (peek().kind == TokenKind::kString) text += next().text;
        return constant(text, token.place);
      }
      case TokenKind::kInteger: {
        const char mark = token.text.size() > 1 ? token.text[1] : '\0';
        const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
        std::int64_t number = 0;
        const char* begin = token.text.data() + (base == 10 ? 0 : 2);
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(begin, end, number, base).ec != std::errc{}) {
          raise_at(token.place, "expected an integer of 64 bits, got " + token.text);
        }
        return constant(number, token.place);
      }
      case TokenKind::kFloat:
        return constant(std::strtod(token.text.c_str(), nullptr), token.place);
      case TokenKind::kOperator:
        if (token.text == "(") {
          if (skip_operator(")")) return node(Kind::kTuple, token.place);
          auto inner = tuple();
          expect_operator(")");
          return inner;
        }
        if (token.text == "[") {
          auto made = node(Kind::kList, token.place);
          while (!is_operator("]")) {
            if (!made->children.empty()) expect_operator(",");
            if (is_operator("]")) break;
            adopt(*made, expression());
          }
          expect_operator("]");
          return made;
        }
        if (token.text == "{") {
          auto made = node(Kind::kDict, token.place);
          while (!is_operator("}")) {
            if (!made->children.empty()) expect_operator(",");
            if (is_operator("}")) break;
            adopt(*made, expression());
            expect_operator(":");
            adopt(*made, expression());
          }
          expect_operator("}");
          return made;
        }
        break;
      default:
        break;
    }
    --at_;
    error(fmt::format("unexpected '{}'", token.spelled()));
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    for (;;) {
      const Place place = peek().place;
      if (skip_operator(".")) {
        ExpressionPtr made;
        if (peek().kind == TokenKind::kInteger) {
          made = node(Kind::kIndex, place);
          adopt(*made, std::move(value));
          adopt(*made, constant(std::int64_t{std::atoll(next().text.c_str())}, place));
        } else {
          made = node(Kind::kAttribute, place, name());
          adopt(*made, std::move(value));
        }
        value = std::move(made);
      } else if (skip_operator("[")) {
        value = subscript(std::move(value), place);
        expect_operator("]");
      } else if (is_operator("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  /// What stands between brackets: an index, a slice, or a tuple of indices.
  ExpressionPtr subscript(ExpressionPtr value, Place place) {
    if (is_operator("]")) error("expected a subscript");
    if (is_operator(":")) return slice(std::move(value), nullptr, place);
    auto index = expression();
    if (is_operator(":")) return slice(std::move(value), std::move(index), place);
    if (is_operator(",")) {
      auto several = node(Kind::kTuple, place);
      adopt(*several, std::move(index));
      while (skip_operator(",") && !is_operator("]")) adopt(*several, expression());
      index = std::move(several);
    }
    auto made = node(Kind::kIndex, place);
    adopt(*made, std::move(value));
    adopt(*made, std::move(index));
    return made;
  }

  ExpressionPtr slice(ExpressionPtr value, ExpressionPtr start, Place place) {
    auto made = node(Kind::kSlice, place);
    adopt(*made, std::move(value));
    adopt(*made, std::move(start));
    for (int part = 0; part < 2; ++part) {
      const bool present = skip_operator(":") && !is_operator(":") && !is_operator("]");
      adopt(*made, present ? expression() : nullptr);
    }
    return made;
  }

  ExpressionPtr call(ExpressionPtr callee) {
    auto made = node(Kind::kCall, peek().place);
    adopt(*made, std::move(callee));
    call_arguments(*made);
    return made;
  }

  void call_arguments(Expression& owner) {
    expect_operator("(");
    CallArguments& arguments = owner.arguments;
    bool first = true;
    while (!is_operator(")")) {
      if (!first) expect_operator(",");
      if (is_operator(")")) break;
      first = false;
      if (arguments.star_star) error("an argument follows **");
      if (skip_operator("**")) {
        arguments.star_star = expression();
      } else if (skip_operator("*")) {
        if (arguments.star) error("only one * fits into a call");
        arguments.star = expression();
      } else if (peek().kind == TokenKind::kName && is_operator("=", 1)) {
        std::string key = name();
        ++at_;
        arguments.named.emplace_back(std::move(key), expression());
      } else {
        if (!arguments.named.empty() || arguments.star) {
          error("a positional argument follows a named one");
        }
        arguments.positional.push_back(expression());
      }
    }
    expect_operator(")");
    const auto count = [&](const ExpressionPtr& argument) {
      if (argument) owner.depth = std::max(owner.depth, argument->depth + 1);
    };
    for (const auto& argument : arguments.positional) count(argument);
    for (const auto& [key, argument] : arguments.named) count(argument);
    count(arguments.star);
    count(arguments.star_star);
    if (owner.depth > kDeepest) error("an expression is nested too deeply");
  }

  ExpressionPtr filter_or_test(ExpressionPtr value) {
    for (;;) {
      if (is_operator("|")) {
        value = filters(std::move(value), false);
      } else if (is_name("is")) {
        value = test(std::move(value));
      } else if (is_operator("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  /// A chain of filters; `bare`: the first one has no '|' before it (filter blocks).
  ExpressionPtr filters(ExpressionPtr value, bool bare) {
    while (bare || is_operator("|")) {
      if (!bare) ++at_;
      bare = false;
      auto made = node(Kind::kFilter, peek().place);
      made->name = dotted_name();
      check_known(*made, has_filter, "filter");
      adopt(*made, std::move(value));
      if (is_operator("(")) call_arguments(*made);
      value = std::move(made);
    }
    return value;
  }

  std::string dotted_name() {
    std::string text = name();
    while (skip_operator(".")) text += "." + name();
    return text;
  }

  /// An unknown filter or test is an error at once, except where a condition may skip it.
  void check_known(const Expression& made, bool (*known)(std::string_view), std::string_view what) {
    if (conditional_ > 0 || unknown_ || known(made.name)) return;
    unknown_.emplace(made.place, fmt::format("the {} '{}' is not supported", what, made.name));
  }
  void refuse_unknown() const {
    if (unknown_) raise_at(unknown_->first, unknown_->second);
  }

  ExpressionPtr test(ExpressionPtr value) {
    const Place place = next().place;  // "is"
    const bool negated = skip_name("not");
    auto made = node(Kind::kTest, place);
    made->name = dotted_name();
    check_known(*made, has_test, "test");
    adopt(*made, std::move(value));
    const Token& token = peek();
    if (is_operator("(")) {
      call_arguments(*made);
    } else if ((token.kind == TokenKind::kName && token.text != "else" && token.text != "or" &&
                token.text != "and") ||
               token.kind == TokenKind::kString || token.kind == TokenKind::kInteger ||
               token.kind == TokenKind::kFloat || is_operator("[") || is_operator("{")) {
      if (is_name("is")) error("a test cannot follow another");
      made->arguments.positional.push_back(postfix(primary()));
      made->depth = std::max(made->depth, made->arguments.positional[0]->depth + 1);
    }
    if (!negated) return made;
    auto inverse = node(Kind::kNot, place);
    adopt(*inverse, std::move(made));
    return inverse;
  }

  std::optional<std::pair<Place, std::string>> unknown_;
  int conditional_ = 0;  // inside how many conditions, within the innermost block of its own
};

}  // namespace posttrain::text::jinja
