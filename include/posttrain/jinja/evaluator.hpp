// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template.
//
// Scopes are lexical as in compiled Jinja: a loop's body, a macro, a block capture and `with` each
// open one, `if` does not, and macros see the scope they were defined in.
//
// `{% autoescape %}` has two sides, as in Jinja: whether printed values are escaped is a property
// of the code as written (`Escaping`), whether filters, captures and macros return markup one of
// the moment.
//
// A chat template stands alone. As in transformers, whose environment has no loader, blocks are run
// where they stand, and include, import and extends are errors where they are reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/escaping.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/limits.hpp"
#include "posttrain/jinja/output.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/scope.hpp"
#include "posttrain/jinja/token.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// Whether Jinja evaluates an expression when it reads the template: no names, nothing called. It
/// leaves filters and tests for later where they would have to know about Escaping::asked.
bool is_constant(const Expression& e, bool with_filters = true);

class Evaluator final : public Runtime {
 public:
  /// Keeps a reference to `tree`. `context` are the template's variables, `most_steps` what the
  /// rendering may cost (jinja/limits.hpp).
  Evaluator(const Tree& tree, Dict context, std::int64_t most_steps = kFreeSteps);
  /// Empties namespaces and held scopes, which may refer to each other in circles.
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Output run();

  bool autoescape() const override { return autoescape_; }
  Value apply_filter(std::string_view name, const Value& input,
                     const Arguments& arguments) override;
  bool apply_test(std::string_view name, const Value& input,
                  const Arguments& arguments) const override;
  Value make_namespace(Dict attributes) override;
  Value run_macro(const Statement& macro, const ScopePtr& defined_in, Escaping escaping,
                  const Arguments& arguments) override;
  Value run_nested_loop(const Statement& loop, const Value& over, const ScopePtr& parent,
                        int depth) override;
  std::optional<Value> block_named(std::string_view name) override;

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  Value look_up(std::string_view name) const;
  bool escapes() const { return escaping_.asked ? autoescape_ : escaping_.on; }
  void write(std::string_view text);

  // Statements.
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  /// Runs `body` in a scope of its own; what it writes goes to `text`.
  Flow capture(const Body& body, ScopePtr scope, std::string& text);
  Flow run_with(const Statement& with);
  Flow run_autoescape(const Statement& statement);
  Value run_block(const Statement& block, const ScopePtr& parent);
  void run_other_file(const Statement& statement);
  void run_generation(const Statement& generation);
  void assign(const Expression& target, const Value& value, Scope& scope);
  void run_loop(const Statement& loop, const Value& over, ScopePtr parent, int depth);
  Value make_macro(const Statement& macro);
  void bind_parameters(const Statement& macro, const Arguments& arguments, Scope& scope);

  // Expressions.
  Value call(const Value& callee, const Arguments& arguments);
  Value evaluate(const Expression& expression);
  Value evaluate_operator(const Expression& expression);
  Value compare(const Expression& expression);
  /// `a ~ b ~ c` under autoescape: if one part is markup, all others are escaped.
  Value concatenate(const Expression& expression);
  Arguments evaluate(const CallArguments& source);
  /// Puts `input` through a chain of filters whose innermost has no operand.
  Value filtered(const Expression& filter, Value input);

  const Tree& tree_;
  Dict context_;
  std::int64_t most_steps_;
  std::vector<Value> namespaces_;
  std::vector<ScopePtr> held_;  // the outermost scope, and those that macros were defined in
  ScopePtr scope_;
  Value self_;  // the template's blocks by name
  Escaping escaping_;
  bool autoescape_ = false;
  std::string* out_ = nullptr;
  std::string* root_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>>* generations_ = nullptr;
  Place place_;
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/evaluator.ipp"
#endif
