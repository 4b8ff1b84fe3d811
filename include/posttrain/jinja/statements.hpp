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

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/expressions.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/loop.hpp"
#include "posttrain/jinja/macro.hpp"
#include "posttrain/jinja/operators.hpp"

namespace posttrain::text::jinja {

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
    case Kind::kPrint: {
      const Value value = evaluate(*statement.value);
      const bool constant = escaping_.asked && is_constant(*statement.value, false);
      write((constant ? escaping_.on : escapes()) ? escaped(value) : print(value));
      break;
    }
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
      Value value(std::move(text), escapes());
      if (statement.value) value = filtered(*statement.value, std::move(value));
      if (statement.kind == Kind::kFilter) {
        if (!value.is_string()) raise("a filter block needs text, got {}", value.type_name());
        write(value.text());
      } else {
        if (autoescape_) value = Value(print(value), true);
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
      if (!callee.is_object() || dynamic_cast<const Macro*>(&callee.object()) == nullptr) {
        fail("a call block needs a macro");  // nothing else takes a caller
      }
      write(call(callee, arguments).text());
      break;
    }
    case Kind::kGeneration:
      run_generation(statement);
      break;
    case Kind::kWith:
      return run_with(statement);
    case Kind::kAutoescape:
      return run_autoescape(statement);
    case Kind::kBlock:
      write(run_block(statement, statement.scoped ? scope_ : held_.front()).text());
      break;
    case Kind::kOtherFile:
      run_other_file(statement);
      break;
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
  for (const auto& binding : with.bindings) values.push_back(evaluate(*binding.second));
  ScopePtr scope = scope_in(scope_);
  for (std::size_t i = 0; i < values.size(); ++i)
    assign(*with.bindings[i].first, values[i], *scope);
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
  return make_text(std::move(text), escapes());
}

}  // namespace posttrain::text::jinja
