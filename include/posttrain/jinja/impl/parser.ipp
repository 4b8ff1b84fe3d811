// SPDX-License-Identifier: Apache-2.0
// Definitions of parser.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/lexer.hpp"
#include "posttrain/jinja/parser.hpp"
#include "posttrain/jinja/tests.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE Parser::Parser(std::string_view source) : in_(Lexer(source).run()) {}

POSTTRAIN_INLINE Parser::Nesting::Nesting(Parser& its_parser) : parser(its_parser) {
  if (++parser.level_ > kDeepest) parser.in_.error("nested too deeply");
}

// ---- statements ---------------------------------------------------------------------------------

POSTTRAIN_INLINE Tree Parser::run() {
  Tree tree{statements({}), {}};
  if (in_.peek().kind != TokenKind::kEnd) in_.error("unexpected '" + in_.peek().spelled() + "'");
  tree.blocks = std::move(blocks_);
  return tree;
}

POSTTRAIN_INLINE Body Parser::statements(std::initializer_list<std::string_view> ends) {
  const Nesting level(*this);
  Body body;
  while (in_.peek().kind != TokenKind::kEnd) {
    const Token& token = in_.peek();
    if (token.kind == TokenKind::kText) {
      auto made = statement(Statement::Kind::kText);
      made->text = in_.next().text;
      body.push_back(std::move(made));
    } else if (token.kind == TokenKind::kPrintBegin) {
      auto made = statement(Statement::Kind::kPrint);
      in_.skip();
      made->value = tuple();
      if (in_.peek().kind != TokenKind::kPrintEnd) {
        in_.error(fmt::format("expected '}}}}', got '{}'", in_.peek().spelled()));
      }
      in_.skip();
      refuse_unknown();
      body.push_back(std::move(made));
    } else if (token.kind == TokenKind::kBlockBegin) {
      in_.skip();
      if (in_.peek().kind == TokenKind::kName) {
        for (const std::string_view end : ends) {
          if (in_.peek().text == end) return body;
        }
      }
      body.push_back(block());
    } else {
      in_.error(fmt::format("unexpected '{}'", token.spelled()));
    }
  }
  if (ends.size() > 0) in_.error(fmt::format("expected '{}' before the end", *(ends.end() - 1)));
  return body;
}

POSTTRAIN_INLINE void Parser::open_body() {
  in_.skip_operator(":");
  in_.expect_block_end();
}

POSTTRAIN_INLINE Body Parser::body_until(std::string_view end) {
  open_body();
  Body body = inner({end});
  in_.expect_name(end);
  in_.expect_block_end();
  return body;
}

POSTTRAIN_INLINE Body Parser::inner(std::initializer_list<std::string_view> ends) {
  const int conditional = std::exchange(conditional_, 0);
  ++bodies_;
  Body body = statements(ends);
  --bodies_;
  conditional_ = conditional;
  return body;
}

POSTTRAIN_INLINE Body Parser::function_until(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  Body body = body_until(end);
  loops_ = loops;
  return body;
}

POSTTRAIN_INLINE StatementPtr Parser::block() {
  const Place place = in_.peek().place;
  const std::string tag = in_.name();
  StatementPtr made;
  if (tag == "for") {
    made = for_block();
  } else if (tag == "if") {
    made = if_block();
  } else if (tag == "set") {
    made = set_block();
  } else if (tag == "macro") {
    made = statement(Statement::Kind::kMacro);
    made->text = in_.name();
    macro_parameters(*made);
    macro_body(*made, "endmacro");
  } else if (tag == "call") {
    made = statement(Statement::Kind::kCallBlock);
    if (in_.is_operator("(")) macro_parameters(*made);
    made->value = expression();
    if (made->value->kind != Kind::kCall) in_.error("expected a call");
    macro_body(*made, "endcall");
  } else if (tag == "filter") {
    made = statement(Statement::Kind::kFilter);
    made->value = filters(nullptr, true);
    made->body = body_until("endfilter");
  } else if (tag == "generation") {
    made = statement(Statement::Kind::kGeneration);
    made->body = function_until("endgeneration");
  } else if (tag == "with") {
    made = with_block();
  } else if (tag == "autoescape") {
    made = statement(Statement::Kind::kAutoescape);
    made->value = expression();
    made->body = body_until("endautoescape");
  } else if (tag == "block") {
    made = named_block();
  } else if (tag == "print") {
    made = print_block();
  } else if (tag == "break" || tag == "continue") {
    if (loops_ == 0) in_.error(fmt::format("'{}' outside a loop", tag));
    made = statement(tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
    in_.expect_block_end();
  } else if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
    if (tag == "extends" && bodies_ > 0) in_.error("'extends' stands inside another block");
    made = other_file(tag);
    in_.expect_block_end();
  } else {
    in_.error(fmt::format("the block '{}' is not supported", tag));
  }
  made->place = place;
  refuse_unknown();
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::with_block() {
  auto made = statement(Statement::Kind::kWith);
  while (in_.peek().kind != TokenKind::kBlockEnd) {
    if (!made->bindings.empty()) in_.expect_operator(",");
    auto names = target(false);
    in_.expect_operator("=");
    made->bindings.emplace_back(std::move(names), expression());
  }
  made->body = body_until("endwith");
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::named_block() {
  auto made = statement(Statement::Kind::kBlock);
  made->text = in_.name();
  made->scoped = in_.skip_name("scoped");
  made->required = in_.skip_name("required");
  for (const Statement* other : blocks_) {
    if (other->text == made->text) in_.error(fmt::format("two blocks '{}'", made->text));
  }
  blocks_.push_back(made.get());
  open_body();
  const int loops = std::exchange(loops_, 0);
  made->body = inner({"endblock"});
  loops_ = loops;
  in_.expect_name("endblock");
  in_.skip_name(made->text);
  in_.expect_block_end();
  for (const StatementPtr& part : made->body) {
    const bool blank = part->kind == Statement::Kind::kText && trimmed_length(part->text) == 0;
    if (made->required && !blank) in_.error("a required block holds white space only");
  }
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::print_block() {
  auto made = statement(Statement::Kind::kWith);
  while (in_.peek().kind != TokenKind::kBlockEnd) {
    if (!made->body.empty()) in_.expect_operator(",");
    auto part = statement(Statement::Kind::kPrint);
    part->value = expression();
    made->body.push_back(std::move(part));
  }
  in_.expect_block_end();
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::for_block() {
  auto made = statement(Statement::Kind::kFor);
  made->target = target();
  if (made->target->kind == Kind::kName && made->target->name == "loop") {
    in_.error("'loop' cannot be a loop's target");
  }
  in_.expect_name("in");
  made->value = tuple(false);
  if (in_.skip_name("if")) made->condition = expression();
  made->recursive = in_.skip_name("recursive");
  open_body();
  ++loops_;
  made->body = inner({"else", "endfor"});
  --loops_;
  if (in_.skip_name("else")) {
    open_body();
    made->otherwise = inner({"endfor"});
  }
  in_.expect_name("endfor");
  in_.expect_block_end();
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::if_block() {
  const Nesting level(*this);
  auto made = statement(Statement::Kind::kIf);
  ++conditional_;
  made->value = tuple(false);
  open_body();
  made->body = statements({"elif", "else", "endif"});
  if (in_.skip_name("elif")) {
    made->otherwise.push_back(if_block());
    --conditional_;
    return made;
  }
  if (in_.skip_name("else")) {
    open_body();
    made->otherwise = statements({"endif"});
  }
  in_.expect_name("endif");
  in_.expect_block_end();
  --conditional_;
  return made;
}

POSTTRAIN_INLINE StatementPtr Parser::set_block() {
  auto made = statement(Statement::Kind::kSet);
  made->target = target();
  if (in_.skip_operator("=")) {
    made->value = tuple();
    in_.expect_block_end();
    return made;
  }
  made->kind = Statement::Kind::kSetBlock;
  if (in_.is_operator("|")) made->value = filters(nullptr, false);
  made->body = body_until("endset");
  return made;
}

POSTTRAIN_INLINE void Parser::macro_body(Statement& macro, std::string_view end) {
  const std::size_t from = in_.position();
  macro.body = function_until(end);
  for (std::size_t i = from; i < in_.position(); ++i) {
    const Token& token = in_.at(i);
    if (token.kind != TokenKind::kName) continue;
    const auto is = [&](std::size_t at, std::string_view op) {
      return in_.at(at).kind == TokenKind::kOperator && in_.at(at).text == op;
    };
    if (is(i - 1, ".") || is(i + 1, "=")) continue;  // an attribute, or an argument's name
    macro.takes_varargs = macro.takes_varargs || token.text == "varargs";
    macro.takes_kwargs = macro.takes_kwargs || token.text == "kwargs";
    macro.takes_caller = macro.takes_caller || token.text == "caller";
  }
  for (const Parameter& parameter : macro.parameters) {
    if (macro.takes_caller && parameter.name == "caller" && !parameter.preset) {
      in_.error("a parameter 'caller' needs a default");
    }
  }
}

POSTTRAIN_INLINE StatementPtr Parser::statement(Statement::Kind kind) const {
  auto made = std::make_unique<Statement>();
  made->kind = kind;
  made->place = in_.peek().place;
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::target(bool with_attributes) {
  const Place place = in_.peek().place;
  std::vector<ExpressionPtr> parts;
  bool several = false;
  do {
    if (!parts.empty() && in_.is_name("in")) break;
    const bool nested = in_.skip_operator("(");
    if (nested) {
      parts.push_back(target(with_attributes));
      in_.expect_operator(")");
    } else {
      auto part = node(Kind::kName, place, in_.name());
      if (with_attributes && in_.skip_operator(".")) {
        auto attribute = node(Kind::kAttribute, place, in_.name());
        adopt(*attribute, std::move(part));
        part = std::move(attribute);
      }
      parts.push_back(std::move(part));
    }
    several = several || in_.is_operator(",");
  } while (in_.skip_operator(","));
  if (!several) return std::move(parts[0]);
  auto made = node(Kind::kTuple, place);
  for (auto& part : parts) adopt(*made, std::move(part));
  return made;
}

POSTTRAIN_INLINE void Parser::macro_parameters(Statement& macro) {
  in_.expect_operator("(");
  while (!in_.is_operator(")")) {
    if (!macro.parameters.empty()) in_.expect_operator(",");
    Parameter parameter;
    parameter.name = in_.name();
    for (const Parameter& other : macro.parameters) {
      if (other.name == parameter.name) in_.error(fmt::format("two parameters '{}'", other.name));
    }
    if (in_.skip_operator("=")) {
      parameter.preset = expression();
    } else if (!macro.parameters.empty() && macro.parameters.back().preset) {
      in_.error("a parameter without a default follows one with a default");
    }
    macro.parameters.push_back(std::move(parameter));
  }
  in_.expect_operator(")");
}

POSTTRAIN_INLINE StatementPtr Parser::other_file(const std::string& tag) {
  auto made = statement(Statement::Kind::kOtherFile);
  made->text = tag;
  made->value = expression();
  if (tag == "include") {
    if (in_.is_name("ignore") && in_.is_name("missing", 1)) {
      made->optional = true;
      in_.skip(2);
    }
    skip_context();
  } else if (tag == "import") {
    in_.expect_name("as");
    in_.name();
    skip_context();
  } else if (tag == "from") {
    in_.expect_name("import");
    imported_names();
  }
  return made;
}

POSTTRAIN_INLINE bool Parser::skip_context() {
  const bool found = (in_.is_name("with") || in_.is_name("without")) && in_.is_name("context", 1);
  if (found) in_.skip(2);
  return found;
}

POSTTRAIN_INLINE void Parser::imported_names() {
  bool first = true;
  do {
    if (!std::exchange(first, false)) in_.expect_operator(",");
    if (skip_context()) return;
    if (in_.name().starts_with('_'))
      in_.error("a name with a leading underscore cannot be imported");
    if (in_.skip_name("as")) in_.name();
  } while (!skip_context() && in_.is_operator(","));
}

// ---- expressions, from the loosest operator to operands
// ------------------------------------------

POSTTRAIN_INLINE ExpressionPtr Parser::tuple(bool with_conditional) {
  const Place place = in_.peek().place;
  const auto part = [&] { return with_conditional ? expression() : disjunction(); };
  auto first = part();
  if (!in_.is_operator(",")) return first;
  auto made = node(Kind::kTuple, place);
  adopt(*made, std::move(first));
  while (in_.skip_operator(",")) {
    const TokenKind kind = in_.peek().kind;
    if (kind == TokenKind::kPrintEnd || kind == TokenKind::kBlockEnd || in_.is_operator(")")) break;
    adopt(*made, part());
  }
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::expression() {
  const Nesting level(*this);
  const auto unknown = unknown_;
  auto value = disjunction();
  while (in_.is_name("if")) {
    const Place place = in_.next().place;
    auto made = node(Kind::kConditional, place);
    adopt(*made, disjunction());
    adopt(*made, std::move(value));
    adopt(*made, in_.skip_name("else") ? expression() : nullptr);
    value = std::move(made);
    unknown_ = unknown;
  }
  return value;
}

POSTTRAIN_INLINE ExpressionPtr Parser::disjunction() {
  auto left = conjunction();
  while (in_.skip_name("or")) left = binary(Kind::kOr, "", std::move(left), conjunction());
  return left;
}

POSTTRAIN_INLINE ExpressionPtr Parser::conjunction() {
  auto left = negation();
  while (in_.skip_name("and")) left = binary(Kind::kAnd, "", std::move(left), negation());
  return left;
}

POSTTRAIN_INLINE ExpressionPtr Parser::negation() {
  const Nesting level(*this);
  if (!in_.is_name("not")) return comparison();
  auto made = node(Kind::kNot, in_.next().place);
  adopt(*made, negation());
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::comparison() {
  auto first = sum();
  ExpressionPtr made;
  for (;;) {
    std::string op;
    if (in_.peek().kind == TokenKind::kOperator) {
      const std::string& text = in_.peek().text;
      if (text == "==" || text == "!=" || text == "<" || text == "<=" || text == ">" ||
          text == ">=") {
        op = text;
      }
    } else if (in_.is_name("in")) {
      op = "in";
    } else if (in_.is_name("not") && in_.is_name("in", 1)) {
      op = "not in";
      in_.skip();
    }
    if (op.empty()) return made ? std::move(made) : std::move(first);
    in_.skip();
    if (!made) {
      made = node(Kind::kCompare, first->place);
      adopt(*made, std::move(first));
    }
    made->operators.push_back(op);
    adopt(*made, sum());
  }
}

POSTTRAIN_INLINE ExpressionPtr Parser::left_associative(
    std::initializer_list<std::string_view> operators, ExpressionPtr (Parser::*operand)()) {
  auto left = (this->*operand)();
  for (;;) {
    const bool found = std::any_of(operators.begin(), operators.end(),
                                   [&](std::string_view op) { return in_.is_operator(op); });
    if (!found) return left;
    std::string op = in_.next().text;
    left = binary(Kind::kBinary, std::move(op), std::move(left), (this->*operand)());
  }
}

POSTTRAIN_INLINE ExpressionPtr Parser::sum() {
  return left_associative({"+", "-"}, &Parser::concatenation);
}

POSTTRAIN_INLINE ExpressionPtr Parser::concatenation() {
  return left_associative({"~"}, &Parser::product);
}

POSTTRAIN_INLINE ExpressionPtr Parser::product() {
  return left_associative({"*", "//", "/", "%"}, &Parser::power);
}

POSTTRAIN_INLINE ExpressionPtr Parser::power() {
  return left_associative({"**"}, &Parser::filtered);
}

POSTTRAIN_INLINE ExpressionPtr Parser::filtered() {
  const Nesting level(*this);
  return filter_or_test(signed_operand());
}

POSTTRAIN_INLINE ExpressionPtr Parser::unary() {
  const Nesting level(*this);
  return signed_operand();
}

POSTTRAIN_INLINE ExpressionPtr Parser::signed_operand() {
  ExpressionPtr made;
  if (in_.is_operator("-") || in_.is_operator("+")) {
    const Token sign = in_.next();
    made = node(sign.text == "-" ? Kind::kNegate : Kind::kPositive, sign.place);
    adopt(*made, unary());
  } else {
    made = primary();
  }
  return postfix(std::move(made));
}

POSTTRAIN_INLINE ExpressionPtr Parser::primary() {
  const Token token = in_.next();
  switch (token.kind) {
    case TokenKind::kName:
      if (token.text == "true" || token.text == "True") return constant(true, token.place);
      if (token.text == "false" || token.text == "False") return constant(false, token.place);
      if (token.text == "none" || token.text == "None") return constant(nullptr, token.place);
      return node(Kind::kName, token.place, token.text);
    case TokenKind::kString: {
      std::string text = token.text;
      while (in_.peek().kind == TokenKind::kString) text += in_.next().text;
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
        if (in_.skip_operator(")")) return node(Kind::kTuple, token.place);
        auto inner = tuple();
        in_.expect_operator(")");
        return inner;
      }
      if (token.text == "[") {
        auto made = node(Kind::kList, token.place);
        while (!in_.is_operator("]")) {
          if (!made->children.empty()) in_.expect_operator(",");
          if (in_.is_operator("]")) break;
          adopt(*made, expression());
        }
        in_.expect_operator("]");
        return made;
      }
      if (token.text == "{") {
        auto made = node(Kind::kDict, token.place);
        while (!in_.is_operator("}")) {
          if (!made->children.empty()) in_.expect_operator(",");
          if (in_.is_operator("}")) break;
          adopt(*made, expression());
          in_.expect_operator(":");
          adopt(*made, expression());
        }
        in_.expect_operator("}");
        return made;
      }
      break;
    default:
      break;
  }
  in_.back();
  in_.error(fmt::format("unexpected '{}'", token.spelled()));
}

POSTTRAIN_INLINE ExpressionPtr Parser::postfix(ExpressionPtr value) {
  for (;;) {
    const Place place = in_.peek().place;
    if (in_.skip_operator(".")) {
      ExpressionPtr made;
      if (in_.peek().kind == TokenKind::kInteger) {
        made = node(Kind::kIndex, place);
        adopt(*made, std::move(value));
        adopt(*made, constant(std::int64_t{std::atoll(in_.next().text.c_str())}, place));
      } else {
        made = node(Kind::kAttribute, place, in_.name());
        adopt(*made, std::move(value));
      }
      value = std::move(made);
    } else if (in_.skip_operator("[")) {
      value = subscript(std::move(value), place);
      in_.expect_operator("]");
    } else if (in_.is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

POSTTRAIN_INLINE ExpressionPtr Parser::subscript(ExpressionPtr value, Place place) {
  if (in_.is_operator("]")) in_.error("expected a subscript");
  if (in_.is_operator(":")) return slice(std::move(value), nullptr, place);
  auto index = expression();
  if (in_.is_operator(":")) return slice(std::move(value), std::move(index), place);
  if (in_.is_operator(",")) {
    auto several = node(Kind::kTuple, place);
    adopt(*several, std::move(index));
    while (in_.skip_operator(",") && !in_.is_operator("]")) adopt(*several, expression());
    index = std::move(several);
  }
  auto made = node(Kind::kIndex, place);
  adopt(*made, std::move(value));
  adopt(*made, std::move(index));
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::slice(ExpressionPtr value, ExpressionPtr start,
                                             Place place) {
  auto made = node(Kind::kSlice, place);
  adopt(*made, std::move(value));
  adopt(*made, std::move(start));
  for (int part = 0; part < 2; ++part) {
    const bool present = in_.skip_operator(":") && !in_.is_operator(":") && !in_.is_operator("]");
    adopt(*made, present ? expression() : nullptr);
  }
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::call(ExpressionPtr callee) {
  auto made = node(Kind::kCall, in_.peek().place);
  adopt(*made, std::move(callee));
  call_arguments(*made);
  return made;
}

POSTTRAIN_INLINE void Parser::call_arguments(Expression& owner) {
  in_.expect_operator("(");
  CallArguments& arguments = owner.arguments;
  bool first = true;
  while (!in_.is_operator(")")) {
    if (!first) in_.expect_operator(",");
    if (in_.is_operator(")")) break;
    first = false;
    if (arguments.star_star) in_.error("an argument follows **");
    if (in_.skip_operator("**")) {
      arguments.star_star = expression();
    } else if (in_.skip_operator("*")) {
      if (arguments.star) in_.error("only one * fits into a call");
      arguments.star = expression();
    } else if (in_.peek().kind == TokenKind::kName && in_.is_operator("=", 1)) {
      std::string key = in_.name();
      in_.skip();
      arguments.named.emplace_back(std::move(key), expression());
    } else {
      if (!arguments.named.empty() || arguments.star) {
        in_.error("a positional argument follows a named one");
      }
      arguments.positional.push_back(expression());
    }
  }
  in_.expect_operator(")");
  const auto count = [&](const ExpressionPtr& argument) {
    if (argument) owner.depth = std::max(owner.depth, argument->depth + 1);
  };
  for (const auto& argument : arguments.positional) count(argument);
  for (const auto& [key, argument] : arguments.named) count(argument);
  count(arguments.star);
  count(arguments.star_star);
  if (owner.depth > kDeepest) in_.error("an expression is nested too deeply");
}

POSTTRAIN_INLINE ExpressionPtr Parser::filter_or_test(ExpressionPtr value) {
  for (;;) {
    if (in_.is_operator("|")) {
      value = filters(std::move(value), false);
    } else if (in_.is_name("is")) {
      value = test(std::move(value));
    } else if (in_.is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

POSTTRAIN_INLINE ExpressionPtr Parser::filters(ExpressionPtr value, bool bare) {
  while (bare || in_.is_operator("|")) {
    if (!bare) in_.skip();
    bare = false;
    auto made = node(Kind::kFilter, in_.peek().place);
    made->name = dotted_name();
    if (!has_filter(made->name)) note_unknown(*made, unknown_filter(made->name));
    adopt(*made, std::move(value));
    if (in_.is_operator("(")) call_arguments(*made);
    value = std::move(made);
  }
  return value;
}

POSTTRAIN_INLINE std::string Parser::dotted_name() {
  std::string text = in_.name();
  while (in_.skip_operator(".")) text += "." + in_.name();
  return text;
}

POSTTRAIN_INLINE ExpressionPtr Parser::test(ExpressionPtr value) {
  const Place place = in_.next().place;  // "is"
  const bool negated = in_.skip_name("not");
  auto made = node(Kind::kTest, place);
  made->name = dotted_name();
  if (!has_test(made->name)) note_unknown(*made, unknown_test(made->name));
  adopt(*made, std::move(value));
  const Token& token = in_.peek();
  if (in_.is_operator("(")) {
    call_arguments(*made);
  } else if ((token.kind == TokenKind::kName && token.text != "else" && token.text != "or" &&
              token.text != "and") ||
             token.kind == TokenKind::kString || token.kind == TokenKind::kInteger ||
             token.kind == TokenKind::kFloat || in_.is_operator("[") || in_.is_operator("{")) {
    if (in_.is_name("is")) in_.error("a test cannot follow another");
    made->arguments.positional.push_back(postfix(primary()));
    made->depth = std::max(made->depth, made->arguments.positional[0]->depth + 1);
  }
  if (!negated) return made;
  auto inverse = node(Kind::kNot, place);
  adopt(*inverse, std::move(made));
  return inverse;
}

POSTTRAIN_INLINE void Parser::note_unknown(const Expression& made, std::string message) {
  if (conditional_ == 0 && !unknown_) unknown_.emplace(made.place, std::move(message));
}

POSTTRAIN_INLINE void Parser::refuse_unknown() const {
  if (unknown_) raise_at(unknown_->first, unknown_->second);
}

// ---- nodes
// ---------------------------------------------------------------------------------------

POSTTRAIN_INLINE ExpressionPtr Parser::node(Kind kind, Place place, std::string text) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->place = place;
  made->name = std::move(text);
  return made;
}

POSTTRAIN_INLINE ExpressionPtr Parser::constant(Value value, Place place) {
  auto made = node(Kind::kConstant, place);
  made->constant = std::move(value);
  return made;
}

POSTTRAIN_INLINE void Parser::adopt(Expression& parent, ExpressionPtr child) const {
  if (child) {
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kDeepest) in_.error("an expression is nested too deeply");
  }
  parent.children.push_back(std::move(child));
}

POSTTRAIN_INLINE ExpressionPtr Parser::binary(Kind kind, std::string text, ExpressionPtr a,
                                              ExpressionPtr b) const {
  auto made = node(kind, a->place, std::move(text));
  adopt(*made, std::move(a));
  adopt(*made, std::move(b));
  return made;
}

}  // namespace posttrain::text::jinja
