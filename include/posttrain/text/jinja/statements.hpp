// SPDX-License-Identifier: Apache-2.0
// Executing statements (part of Evaluator).
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/jinja/ast.hpp"
#include "posttrain/text/jinja/evaluator.hpp"
#include "posttrain/text/jinja/expressions.hpp"
#include "posttrain/text/jinja/function.hpp"
#include "posttrain/text/jinja/loop.hpp"
#include "posttrain/text/jinja/operators.hpp"

namespace posttrain::text::jinja {

inline ScopePtr scope_in(ScopePtr parent) {
  return std::make_shared<Scope>(Scope{{}, std::move(parent)});
}

struct Macro final : Object {
  Macro(const Statement& its_source, const ScopePtr& its_scope)
      : Object(its_source.text), source(its_source), defined_in(its_scope) {}

  Value call(Evaluator& evaluator, const Arguments& arguments) const override {
    const Level level;
    return evaluator.run_macro(source, defined_in.lock(), arguments);
  }
  std::optional<Value> attribute(std::string_view asked) const override {
    if (asked == "name") return name;
    if (asked != "arguments") return {};
    List names;
    for (const Parameter& parameter : source.parameters) names.emplace_back(parameter.name);
    return Value(std::move(names), Sequence::kTuple);
  }
  std::string print() const override { return "<Macro '" + name + "'>"; }

  const Statement& source;
  std::weak_ptr<Scope> defined_in;  // the evaluator holds it
};

inline Evaluator::Flow Evaluator::execute(const Body& body) {
  for (const StatementPtr& statement : body) {
    const Flow flow = execute(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

inline Evaluator::Flow Evaluator::execute(const Statement& statement) {
  using Kind = Statement::Kind;
  const Level level;
  place_ = statement.place;
  switch (statement.kind) {
    case Kind::kText:
      write(statement.text);
      break;
    case Kind::kPrint:
      write(print(evaluate(*statement.value)));
      break;
    case Kind::kIf:
      return execute(evaluate(*statement.value).truth() ? statement.body : statement.otherwise);
    case Kind::kFor:
      run_loop(statement, evaluate(*statement.value), scope_, 0);
      break;
    case Kind::kSet:
      assign(*statement.target, evaluate(*statement.value), *scope_);
      break;
    case Kind::kSetBlock:
    case Kind::kFilter: {
      std::string text;
      const Flow flow = capture(statement.body, scope_in(scope_), text);
      if (flow != Flow::kNormal) return flow;
      Value value(std::move(text));
      if (statement.value) value = filtered(*statement.value, std::move(value));
      if (statement.kind == Kind::kFilter) {
        write(print(value));
      } else {
        assign(*statement.target, value, *scope_);
      }
      break;
    }
    case Kind::kMacro:
      scope_->set(statement.text, make_macro(statement));
      break;
    case Kind::kCallBlock: {
      const Value callee = evaluate(*statement.value->children[0]);
      Arguments arguments = evaluate(statement.value->arguments);
      arguments.named.emplace_back("caller", make_macro(statement));
      place_ = statement.value->place;
      write(print(call(callee, arguments)));
      break;
    }
    case Kind::kGeneration:
      run_generation(statement);
      break;
    case Kind::kWith:
      return run_with(statement);
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

inline Evaluator::Flow Evaluator::capture(const Body& body, ScopePtr scope, std::string& text) {
  std::string* outer = std::exchange(out_, &text);
  std::swap(scope_, scope);
  const Flow flow = execute(body);
  std::swap(scope_, scope);
  out_ = outer;
  return flow;
}

inline void Evaluator::run_generation(const Statement& generation) {
  const std::size_t begin = out_->size();
  std::string text;
  capture(generation.body, scope_in(scope_), text);
  if (out_ == root_) generations_->emplace_back(begin, begin + text.size());
  write(text);
}

inline Evaluator::Flow Evaluator::run_with(const Statement& with) {
  std::vector<Value> values;
  for (const Parameter& binding : with.parameters) values.push_back(evaluate(*binding.preset));
  ScopePtr scope = scope_in(scope_);
  for (std::size_t i = 0; i < values.size(); ++i) {
    scope->set(with.parameters[i].name, values[i]);
  }
  std::swap(scope_, scope);
  const Flow flow = execute(with.body);
  std::swap(scope_, scope);
  return flow;
}

inline void Evaluator::assign(const Expression& target, const Value& value, Scope& scope) {
  if (target.kind == Expression::Kind::kName) {
    scope.set(target.name, value);
  } else if (target.kind == Expression::Kind::kAttribute) {
    const Value space = evaluate(*target.children[0]);
    if (space.is_undefined()) undefined_error(space);
    if (!space.is_namespace()) fail("cannot assign attribute on non-namespace object");
    if (target.name.starts_with('_')) fail("a namespace has no names with a leading underscore");
    space.space().attributes.set(target.name, value);
  } else {
    if (!is_iterable(value)) raise("cannot unpack a {}", value.type_name());
    const List items = iterate(value);
    if (items.size() != target.children.size()) {
      raise("expected {} values to unpack, got {}", target.children.size(), items.size());
    }
    for (std::size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i], scope);
  }
}

inline void Evaluator::run_loop(const Statement& loop, const Value& over, ScopePtr parent,
                                int depth) {
  List items = iterate(over);
  const ScopePtr before = scope_;
  if (loop.condition) {
    List kept;
    for (Value& item : items) {
      scope_ = scope_in(parent);
      assign(*loop.target, item, *scope_);
      if (evaluate(*loop.condition).truth()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  const auto variable = std::make_shared<LoopVariable>(loop, items, parent, depth);
  const Value loop_value = Value::object(variable);
  for (std::size_t i = 0; i < items.size(); ++i) {
    spend(1);
    variable->at = i;
    scope_ = scope_in(parent);
    scope_->names.emplace_back("loop", loop_value);
    assign(*loop.target, items[i], *scope_);
    if (execute(loop.body) == Flow::kBreak) break;
  }
  scope_ = before;
  if (items.empty() && !loop.otherwise.empty()) {
    scope_ = scope_in(parent);
    execute(loop.otherwise);
    scope_ = before;
  }
}

inline Value Evaluator::run_nested_loop(const Statement& loop, const Value& over,
                                        const ScopePtr& parent, int depth) {
  const Level level;
  if (parent == nullptr) fail("a loop cannot be called behind its end");
  const Place called_from = place_;
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  run_loop(loop, over, parent, depth);
  out_ = outer;
  place_ = called_from;
  return make_text(std::move(text));
}

inline Value Evaluator::make_macro(const Statement& macro) {
  spend(8);
  if (held_.empty() || held_.back() != scope_) held_.push_back(scope_);
  return Value::object(std::make_shared<Macro>(macro, scope_));
}

inline Value Evaluator::run_macro(const Statement& macro, const ScopePtr& defined_in,
                                  const Arguments& arguments) {
  const Place called_from = place_;
  ScopePtr scope = scope_in(defined_in);
  std::swap(scope_, scope);  // defaults see the parameters before them
  bind_parameters(macro, arguments, *scope_);
  std::swap(scope_, scope);
  std::string text;
  capture(macro.body, std::move(scope), text);
  place_ = called_from;
  return make_text(std::move(text));
}

inline void Evaluator::bind_parameters(const Statement& macro, const Arguments& arguments,
                                       Scope& scope) {
  auto surplus = arguments.named;
  const auto take = [&](std::string_view name, Value& value) {
    const auto found = std::find_if(surplus.begin(), surplus.end(),
                                    [&](const auto& given) { return given.first == name; });
    if (found == surplus.end()) return false;
    value = std::move(found->second);
    surplus.erase(found);
    return true;
  };
  bool has_caller = false;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    has_caller = has_caller || parameter.name == "caller";
    Value value(nullptr);
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (!take(parameter.name, value)) {
      value =
          parameter.preset
              ? evaluate(*parameter.preset)
              : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    }
    scope.set(parameter.name, value);
  }
  if (macro.takes_caller && !has_caller) {
    Value caller = Value::undefined("No caller defined");
    take("caller", caller);
    scope.set("caller", caller);
  }
  List rest;
  for (std::size_t i = macro.parameters.size(); i < arguments.positional.size(); ++i) {
    rest.push_back(arguments.positional[i]);
  }
  if (macro.takes_varargs) {
    scope.set("varargs", Value(std::move(rest), Sequence::kTuple));
  } else if (!rest.empty()) {
    raise("macro '{}' takes not more than {} argument(s)", macro.text, macro.parameters.size());
  }
  if (macro.takes_kwargs) {
    Dict kwargs;
    for (const auto& [name, value] : surplus) kwargs.set(name, value);
    scope.set("kwargs", std::move(kwargs));
  } else if (!surplus.empty()) {
    raise("macro '{}' takes no keyword argument '{}'", macro.text, surplus[0].first);
  }
}

}  // namespace posttrain::text::jinja
