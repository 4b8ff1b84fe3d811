// SPDX-License-Identifier: Apache-2.0
// From tokens to the tree, with the precedence of Jinja's own parser.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/jinja/ast.hpp"
#include "posttrain/text/jinja/lexer.hpp"

namespace posttrain::text::jinja {

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(Lexer(source).run()) {}

  Body run() {
    Body body = statements({});
    if (peek().kind != TokenKind::kEnd) error("unexpected '" + peek().text + "'");
    return body;
  }

 private:
  using Kind = Expression::Kind;
  static constexpr int kDeepest = 250;

  [[noreturn]] void error(std::string_view message) const {
    raise("chat template, line {}: {}", peek().line, message);
  }

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token next() { return tokens_[std::min(at_++, tokens_.size() - 1)]; }
  bool is_operator(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kOperator && peek(ahead).text == text;
  }
  bool is_name(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kName && peek(ahead).text == text;
  }
  bool skip_operator(std::string_view text) { return is_operator(text) && (++at_, true); }
  bool skip_name(std::string_view text) { return is_name(text) && (++at_, true); }
  void expect_operator(std::string_view text) {
    if (!skip_operator(text)) error(fmt::format("expected '{}', got '{}'", text, describe(peek())));
  }
  void expect_name(std::string_view text) {
    if (!skip_name(text)) error(fmt::format("expected '{}', got '{}'", text, describe(peek())));
  }
  std::string name() {
    if (peek().kind != TokenKind::kName) {
      error(fmt::format("expected a name, got '{}'", describe(peek())));
    }
    return next().text;
  }
  void expect_block_end() {
    if (peek().kind != TokenKind::kBlockEnd) {
      error(fmt::format("expected '%}}', got '{}'", describe(peek())));
    }
    ++at_;
  }
  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::kPrintEnd:
        return "}}";
      case TokenKind::kBlockEnd:
        return "%}";
      case TokenKind::kEnd:
        return "the end of the template";
      default:
        return token.text;
    }
  }

  struct Level {  // counts nesting, so that a hostile template cannot exhaust the stack
    explicit Level(Parser& its_parser) : parser(its_parser) {
      if (++parser.level_ > kDeepest) parser.error("nested too deeply");
    }
    ~Level() { --parser.level_; }
    Parser& parser;
  };

  ExpressionPtr node(Kind kind, int line, std::string text = {}) const {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->line = line;
    made->name = std::move(text);
    return made;
  }
  void adopt(Expression& parent, ExpressionPtr child) const {
    if (child) {
      parent.depth = std::max(parent.depth, child->depth + 1);
      if (parent.depth > kDeepest) error("an expression is nested too deeply");
    }
    parent.children.push_back(std::move(child));
  }
  ExpressionPtr binary(Kind kind, std::string text, ExpressionPtr a, ExpressionPtr b) const {
    auto made = node(kind, a->line, std::move(text));
    adopt(*made, std::move(a));
    adopt(*made, std::move(b));
    return made;
  }

  // ---- statements ----

  /// Statements up to a block whose name is in `ends`; that name is left as the next token.
  Body statements(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    Body body;
    while (peek().kind != TokenKind::kEnd) {
      const Token& token = peek();
      if (token.kind == TokenKind::kText) {
        auto made = statement(Statement::Kind::kText);
        made->text = next().text;
        body.push_back(std::move(made));
      } else if (token.kind == TokenKind::kPrintBegin) {
        auto made = statement(Statement::Kind::kPrint);
        ++at_;
        made->value = tuple();
        if (peek().kind != TokenKind::kPrintEnd) {
          error(fmt::format("expected '}}}}', got '{}'", describe(peek())));
        }
        ++at_;
        body.push_back(std::move(made));
      } else if (token.kind == TokenKind::kBlockBegin) {
        ++at_;
        if (peek().kind == TokenKind::kName) {
          for (const std::string_view end : ends) {
            if (peek().text == end) return body;
          }
        }
        body.push_back(block());
      } else {
        error(fmt::format("unexpected '{}'", describe(token)));
      }
    }
    if (ends.size() > 0) error(fmt::format("expected '{}' before the end", *(ends.end() - 1)));
    return body;
  }

  StatementPtr statement(Statement::Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = peek().line;
    return made;
  }

  Body body_until(std::string_view end) {
    expect_block_end();
    Body body = statements({end});
    expect_name(end);
    expect_block_end();
    return body;
  }

  StatementPtr block() {
    const int line = peek().line;
    const std::string tag = name();
    StatementPtr made;
    if (tag == "for") {
      made = for_block();
    } else if (tag == "if") {
      made = if_block();
    } else if (tag == "set") {
      made = set_block();
    } else if (tag == "macro") {
      made = statement(Statement::Kind::kMacro);
      made->text = name();
      macro_parameters(*made);
      macro_body(*made, "endmacro");
    } else if (tag == "call") {
      made = statement(Statement::Kind::kCallBlock);
      if (is_operator("(")) macro_parameters(*made);
      made->value = expression();
      if (made->value->kind != Kind::kCall) error("expected a call");
      macro_body(*made, "endcall");
    } else if (tag == "filter") {
      made = statement(Statement::Kind::kFilter);
      made->value = filters(nullptr, true);
      made->body = body_until("endfilter");
    } else if (tag == "generation") {
      made = statement(Statement::Kind::kGeneration);
      made->body = body_until("endgeneration");
    } else if (tag == "with") {
      made = statement(Statement::Kind::kWith);
      while (peek().kind != TokenKind::kBlockEnd) {
        if (!made->parameters.empty()) expect_operator(",");
        Parameter binding;
        binding.name = name();
        expect_operator("=");
        binding.preset = expression();
        made->parameters.push_back(std::move(binding));
      }
      made->body = body_until("endwith");
    } else if (tag == "break" || tag == "continue") {
      if (loops_ == 0) error(fmt::format("'{}' outside a loop", tag));
      made = statement(tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      expect_block_end();
    } else {
      error(fmt::format("the block '{}' is not supported", tag));
    }
    made->line = line;
    return made;
  }

  StatementPtr for_block() {
    auto made = statement(Statement::Kind::kFor);
    made->target = target();
    expect_name("in");
    made->value = tuple(false);
    if (skip_name("if")) made->condition = expression();
    made->recursive = skip_name("recursive");
    expect_block_end();
    ++loops_;
    made->body = statements({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      expect_block_end();
      made->otherwise = statements({"endfor"});
    }
    expect_name("endfor");
    expect_block_end();
    return made;
  }

  StatementPtr if_block() {
    const Level level(*this);
    auto made = statement(Statement::Kind::kIf);
    made->value = tuple(false);
    expect_block_end();
    made->body = statements({"elif", "else", "endif"});
    if (skip_name("elif")) {
      made->otherwise.push_back(if_block());
      return made;
    }
    if (skip_name("else")) {
      expect_block_end();
      made->otherwise = statements({"endif"});
    }
    expect_name("endif");
    expect_block_end();
    return made;
  }

  StatementPtr set_block() {
    auto made = statement(Statement::Kind::kSet);
    made->target = target();
    if (skip_operator("=")) {
      made->value = tuple();
      expect_block_end();
      return made;
    }
    made->kind = Statement::Kind::kSetBlock;
    if (is_operator("|")) made->value = filters(nullptr, false);
    made->body = body_until("endset");
    return made;
  }

  /// A name, ns.attribute, or several names.
  ExpressionPtr target() {
    const int line = peek().line;
    std::vector<ExpressionPtr> parts;
    bool several = false;
    do {
      if (!parts.empty() && is_name("in")) break;
      const bool nested = skip_operator("(");
      if (nested) {
        parts.push_back(target());
        expect_operator(")");
      } else {
        auto part = node(Kind::kName, line, name());
        if (skip_operator(".")) {
          auto attribute = node(Kind::kAttribute, line, name());
          adopt(*attribute, std::move(part));
          part = std::move(attribute);
        }
        parts.push_back(std::move(part));
      }
      several = several || is_operator(",");
    } while (skip_operator(","));
    if (!several) return std::move(parts[0]);
    auto made = node(Kind::kTuple, line);
    for (auto& part : parts) adopt(*made, std::move(part));
    return made;
  }

  void macro_parameters(Statement& macro) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      Parameter parameter;
      parameter.name = name();
      if (skip_operator("=")) {
        parameter.preset = expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().preset) {
        error("a parameter without a default follows one with a default");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    expect_operator(")");
  }

  void macro_body(Statement& macro, std::string_view end) {
    const std::size_t from = at_;
    const int loops = std::exchange(loops_, 0);
    macro.body = body_until(end);
    loops_ = loops;
    // A macro takes surplus arguments only if it asks for them by these names.
    for (std::size_t i = from; i < at_; ++i) {
      if (tokens_[i].kind != TokenKind::kName) continue;
      macro.takes_varargs = macro.takes_varargs || tokens_[i].text == "varargs";
      macro.takes_kwargs = macro.takes_kwargs || tokens_[i].text == "kwargs";
      macro.takes_caller = macro.takes_caller || tokens_[i].text == "caller";
    }
  }

  // ---- expressions ----

  /// One expression or, with commas, a tuple of them.
  ExpressionPtr tuple(bool with_conditional = true) {
    const int line = peek().line;
    const auto part = [&] { return with_conditional ? expression() : disjunction(); };
    auto first = part();
    if (!is_operator(",")) return first;
    auto made = node(Kind::kTuple, line);
    adopt(*made, std::move(first));
    while (skip_operator(",")) {
      const TokenKind kind = peek().kind;
      if (kind == TokenKind::kPrintEnd || kind == TokenKind::kBlockEnd || is_operator(")")) break;
      adopt(*made, part());
    }
    return made;
  }

  ExpressionPtr expression() {
    const Level level(*this);
    auto value = disjunction();
    while (is_name("if")) {
      const int line = next().line;
      auto made = node(Kind::kConditional, line);
      adopt(*made, disjunction());
      adopt(*made, std::move(value));
      adopt(*made, skip_name("else") ? expression() : nullptr);
      value = std::move(made);
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
    const Level level(*this);
    if (!is_name("not")) return comparison();
    auto made = node(Kind::kNot, next().line);
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
        made = node(Kind::kCompare, first->line);
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
    const Level level(*this);
    ExpressionPtr made;
    if (is_operator("-") || is_operator("+")) {
      const Token sign = next();
      made = node(sign.text == "-" ? Kind::kNegate : Kind::kPositive, sign.line);
      adopt(*made, unary(false));
    } else {
      made = primary();
    }
    made = postfix(std::move(made));
    return with_filter ? filter_or_test(std::move(made)) : std::move(made);
  }

  ExpressionPtr constant(Value value, int line) const {
    auto made = node(Kind::kConstant, line);
    made->constant = std::move(value);
    return made;
  }

  ExpressionPtr primary() {
    const Token token = next();
    switch (token.kind) {
      case TokenKind::kName:
        if (token.text == "true" || token.text == "True") return constant(true, token.line);
        if (token.text == "false" || token.text == "False") return constant(false, token.line);
        if (token.text == "none" || token.text == "None") return constant(nullptr, token.line);
        return node(Kind::kName, token.line, token.text);
      case TokenKind::kString: {
        std::string text = token.text;
        while (peek().kind == TokenKind::kString) text += next().text;
        return constant(text, token.line);
      }
      case TokenKind::kInteger: {
        std::int64_t number = 0;
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(token.text.data(), end, number).ec != std::errc{}) {
          error("expected an integer of 64 bits, got " + token.text);
        }
        return constant(number, token.line);
      }
      case TokenKind::kFloat:
        return constant(std::strtod(token.text.c_str(), nullptr), token.line);
      case TokenKind::kOperator:
        if (token.text == "(") {
          if (skip_operator(")")) return node(Kind::kTuple, token.line);
          auto inner = tuple();
          expect_operator(")");
          return inner;
        }
        if (token.text == "[") {
          auto made = node(Kind::kList, token.line);
          while (!is_operator("]")) {
            if (!made->children.empty()) expect_operator(",");
            if (is_operator("]")) break;
            adopt(*made, expression());
          }
          expect_operator("]");
          return made;
        }
        if (token.text == "{") {
          auto made = node(Kind::kDict, token.line);
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
    error(fmt::format("unexpected '{}'", describe(token)));
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    for (;;) {
      const int line = peek().line;
      if (skip_operator(".")) {
        ExpressionPtr made;
        if (peek().kind == TokenKind::kInteger) {
          made = node(Kind::kIndex, line);
          adopt(*made, std::move(value));
          adopt(*made, constant(std::int64_t{std::atoll(next().text.c_str())}, line));
        } else {
          made = node(Kind::kAttribute, line, name());
          adopt(*made, std::move(value));
        }
        value = std::move(made);
      } else if (skip_operator("[")) {
        value = subscript(std::move(value), line);
        expect_operator("]");
      } else if (is_operator("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr subscript(ExpressionPtr value, int line) {
    ExpressionPtr parts[3];
    int count = 0;
    bool slice = false;
    for (;;) {
      if (skip_operator(":")) {
        slice = true;
        if (++count > 2) error("expected at most two ':' in a slice");
      } else if (is_operator("]")) {
        break;
      } else {
        if (parts[count]) error(fmt::format("expected ']', got '{}'", describe(peek())));
        parts[count] = expression();
      }
    }
    if (!slice && !parts[0]) error("expected a subscript");
    auto made = node(slice ? Kind::kSlice : Kind::kIndex, line);
    adopt(*made, std::move(value));
    for (int i = 0; i < (slice ? 3 : 1); ++i) adopt(*made, std::move(parts[i]));
    return made;
  }

  ExpressionPtr call(ExpressionPtr callee) {
    auto made = node(Kind::kCall, peek().line);
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
      if (skip_operator("**")) {
        arguments.star_star = expression();
      } else if (skip_operator("*")) {
        arguments.star = expression();
      } else if (peek().kind == TokenKind::kName && is_operator("=", 1)) {
        std::string key = name();
        ++at_;
        arguments.named.emplace_back(std::move(key), expression());
      } else {
        if (!arguments.named.empty()) error("a positional argument follows a named one");
        arguments.positional.push_back(expression());
      }
    }
    expect_operator(")");
    const auto count = [&](const ExpressionPtr& argument) {
      if (argument) owner.depth = std::max(owner.depth, argument->depth + 1);
    };
    for (const auto& argument : arguments.positional) count(argument);
    for (const auto& [key, argument] : arguments.named) count(argument);
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
      auto made = node(Kind::kFilter, peek().line, name());
      adopt(*made, std::move(value));
      if (is_operator("(")) call_arguments(*made);
      value = std::move(made);
    }
    return value;
  }

  ExpressionPtr test(ExpressionPtr value) {
    const int line = next().line;  // "is"
    const bool negated = skip_name("not");
    auto made = node(Kind::kTest, line, name());
    adopt(*made, std::move(value));
    const Token& token = peek();
    if (is_operator("(")) {
      call_arguments(*made);
    } else if ((token.kind == TokenKind::kName && token.text != "else" && token.text != "or" &&
                token.text != "and" && token.text != "if" && token.text != "is" &&
                token.text != "in" && token.text != "not") ||
               token.kind == TokenKind::kString || token.kind == TokenKind::kInteger ||
               token.kind == TokenKind::kFloat || is_operator("[") || is_operator("{")) {
      made->arguments.positional.push_back(postfix(primary()));
    }
    if (!negated) return made;
    auto inverse = node(Kind::kNot, line);
    adopt(*inverse, std::move(made));
    return inverse;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
  int loops_ = 0;
};

}  // namespace posttrain::text::jinja
