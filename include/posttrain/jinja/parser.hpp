// SPDX-License-Identifier: Apache-2.0
// From a template's source to its tree, by recursive descent with the precedence of Jinja's own
// parser.
//
// Trees nest so deep and no deeper: a hostile template must not exhaust the stack, neither of this
// parser nor of whatever walks the tree later. A filter or test that nobody knows is an error once
// its tag is read, except within a condition, which may skip it (as in Jinja).
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/token.hpp"
#include "posttrain/jinja/token_stream.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

class Parser {
 public:
  explicit Parser(std::string_view source);

  /// The whole template; a syntax error names its line and column.
  Tree run();

 private:
  using Kind = Expression::Kind;
  static constexpr int kDeepest = 250;

  /// One level of nested statements or expressions.
  struct Nesting {
    explicit Nesting(Parser& its_parser);
    ~Nesting() { --parser.level_; }
    Parser& parser;
  };

  // Statements.
  /// Statements up to a block whose name is in `ends`; that name is left as the next token.
  Body statements(std::initializer_list<std::string_view> ends);
  StatementPtr block();
  StatementPtr for_block();
  StatementPtr if_block();
  StatementPtr set_block();
  StatementPtr with_block();
  StatementPtr named_block();
  /// `print a, b`: a `with` that binds nothing holds them.
  StatementPtr print_block();
  /// include, import, from and extends, up to the end of their tag. Nothing is ever imported, so
  /// the names are read and dropped.
  StatementPtr other_file(const std::string& tag);
  bool skip_context();
  void imported_names();
  void macro_parameters(Statement& macro);
  /// A macro takes surplus arguments, or a caller, only if its body asks for them by name.
  void macro_body(Statement& macro, std::string_view end);

  StatementPtr statement(Statement::Kind kind) const;
  /// The end of the tag before a body; Jinja allows Python's colon there.
  void open_body();
  /// A body with names of its own.
  Body body_until(std::string_view end);
  Body inner(std::initializer_list<std::string_view> ends);
  /// A body that runs as a function of its own, so that no loop around it can be left from it.
  Body function_until(std::string_view end);
  /// A name, ns.attribute, or several names: what a value is assigned to.
  ExpressionPtr target(bool with_attributes = true);

  // Expressions, from the loosest operator to operands.
  /// One expression or, with commas, a tuple of them.
  ExpressionPtr tuple(bool with_conditional = true);
  ExpressionPtr expression();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr left_associative(std::initializer_list<std::string_view> operators,
                                 ExpressionPtr (Parser::*operand)());
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr filtered();
  ExpressionPtr unary();
  ExpressionPtr signed_operand();
  ExpressionPtr primary();
  ExpressionPtr postfix(ExpressionPtr value);
  /// Whatever stands between brackets: an index, a slice, or a tuple of indices.
  ExpressionPtr subscript(ExpressionPtr value, Place place);
  ExpressionPtr slice(ExpressionPtr value, ExpressionPtr start, Place place);
  ExpressionPtr call(ExpressionPtr callee);
  void call_arguments(Expression& owner);
  ExpressionPtr filter_or_test(ExpressionPtr value);
  /// A chain of filters; `bare`: the first one has no '|' before it (filter blocks).
  ExpressionPtr filters(ExpressionPtr value, bool bare);
  ExpressionPtr test(ExpressionPtr value);
  std::string dotted_name();
  void note_unknown(const Expression& made, std::string message);
  void refuse_unknown() const;

  // Nodes.
  static ExpressionPtr node(Kind kind, Place place, std::string text = {});
  static ExpressionPtr constant(Value value, Place place);
  void adopt(Expression& parent, ExpressionPtr child) const;
  ExpressionPtr binary(Kind kind, std::string text, ExpressionPtr a, ExpressionPtr b) const;

  TokenStream in_;
  int level_ = 0;
  int loops_ = 0;                         // open ones, within the innermost function
  int bodies_ = 0;                        // open ones, but of conditions
  int conditional_ = 0;                   // open conditions, within the innermost body
  std::vector<const Statement*> blocks_;  // named ones
  std::optional<std::pair<Place, std::string>> unknown_;  // the first filter or test that is
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/parser.ipp"
#endif
