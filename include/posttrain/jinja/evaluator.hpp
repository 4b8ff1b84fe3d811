// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template: the state of a run, and its entry points.
//
// Scopes are lexical as in compiled Jinja: a loop's body, a macro, a block capture and `with` each
// open one, `if` does not, and macros see the scope they were defined in.
//
// `{% autoescape %}` has two sides, as in Jinja: whether printed values are escaped is a property
// of the code as written (`Escaping`), what filters, captures and macros return of the moment.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/limits.hpp"
#include "posttrain/jinja/output.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

Value apply_filter(Evaluator& evaluator, std::string_view name, const Value& input,
                   const Arguments& arguments);
bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);
const Dict& globals();

/// Names of a block. The few that a block has are looked through.
struct Scope {
  std::vector<std::pair<std::string_view, Value>> names;  // the views are the template's
  std::shared_ptr<Scope> parent;

  void set(std::string_view name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

/// Whether the code that runs escapes what it prints, as written: in an autoescape block whose
/// condition is no constant, `asked`, the moment says, but for constants, which Jinja prints first.
struct Escaping {
  bool on = false;
  bool asked = false;
};

/// No names, nothing called: what Jinja evaluates when it reads the template. It leaves filters and
/// tests for later where they would have to know about `asked`.
bool is_constant(const Expression& e, bool with_filters = true);

class Evaluator {
 public:
  Evaluator(const Tree& tree, Dict context) : tree_(tree), context_(std::move(context)) {}
  ~Evaluator() {  // namespaces, and scopes that macros hold, may refer to each other in circles
    for (const Value& space : namespaces_) space.space().attributes.items.clear();
    for (const ScopePtr& scope : held_) scope->names.clear();
  }
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Output run();

  Value call(const Value& callee, const Arguments& arguments);
  Value make_namespace(Dict attributes);
  /// A recursive loop's `loop(items)`.
  Value run_nested_loop(const Statement& loop, const Value& over, const ScopePtr& parent,
                        int depth);
  Value run_macro(const Statement& macro, const ScopePtr& defined_in, Escaping escaping,
                  const Arguments& arguments);
  Value run_block(const Statement& block, const ScopePtr& parent);
  /// `self.NAME`: a function that runs the block, or nothing.
  std::optional<Value> block_named(std::string_view name);

  /// Whether filters return text that is not to be escaped again.
  bool autoescape() const { return autoescape_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  Value look_up(std::string_view name) const;
  bool escapes() const { return escaping_.asked ? autoescape_ : escaping_.on; }
  void write(std::string_view text);

  // statements.hpp
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  /// Runs `body` in a scope of its own; what it writes goes to `text`.
  Flow capture(const Body& body, ScopePtr scope, std::string& text);
  Flow run_with(const Statement& with);
  Flow run_autoescape(const Statement& statement);
  void run_other_file(const Statement& statement);
  void run_generation(const Statement& generation);
  void assign(const Expression& target, const Value& value, Scope& scope);
  void run_loop(const Statement& loop, const Value& over, ScopePtr parent, int depth);
  Value make_macro(const Statement& macro);
  void bind_parameters(const Statement& macro, const Arguments& arguments, Scope& scope);

  // expressions.hpp
  Value evaluate(const Expression& expression);
  Value evaluate_operator(const Expression& expression);
  Value compare(const Expression& expression);
  Value concatenate(const Expression& expression);
  Arguments evaluate(const CallArguments& source);
  /// Puts `input` through a chain of filters whose innermost has no operand.
  Value filtered(const Expression& filter, Value input);

  const Tree& tree_;
  Dict context_;
  std::vector<Value> namespaces_;
  std::vector<ScopePtr> held_;
  ScopePtr scope_;
  Value self_;  // of the blocks
  Escaping escaping_;
  bool autoescape_ = false;
  std::string* out_ = nullptr;
  std::string* root_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>>* generations_ = nullptr;
  Place place_;
};

inline void Scope::set(std::string_view name, Value value) {
  for (auto& [known, old] : names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

Value make_self(Evaluator& evaluator);

inline Output Evaluator::run() {
  const Account account;
  Output output;
  out_ = root_ = &output.text;
  generations_ = &output.generations;
  scope_ = std::make_shared<Scope>();
  held_.push_back(scope_);
  self_ = make_self(*this);
  try {
    execute(tree_.body);
  } catch (const Error& error) {
    raise_at(place_, error.what());
  }
  return output;
}

inline Value Evaluator::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) raise("{}", callee.hint());
  if (!callee.is_object()) raise("'{}' object is not callable", callee.type_name());
  return callee.object().call(*this, arguments);
}

inline Value Evaluator::make_namespace(Dict attributes) {
  spend(16);
  namespaces_.push_back(Value::make_namespace(std::move(attributes)));
  return namespaces_.back();
}

inline Value Evaluator::look_up(std::string_view name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->names) {
      if (known == name) return value;
    }
  }
  if (name == "self") return self_;
  if (const Value* found = context_.find(name)) return *found;
  if (const Value* found = globals().find(name)) return *found;
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

inline void Evaluator::write(std::string_view text) {
  if (out_->size() + text.size() > kLargestText) check_text(out_->size() + text.size());
  spend(text.size() / 64);
  out_->append(text);
}

}  // namespace posttrain::text::jinja
