// SPDX-License-Identifier: Apache-2.0
// Autoescape, blocks, and what would need other files (part of Evaluator).
//
// A chat template stands alone. As in transformers, whose environment has no loader, blocks are run
// where they stand, and include, import and extends are errors where they are reached.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/macro.hpp"
#include "posttrain/jinja/operators.hpp"

namespace posttrain::text::jinja {

/// `self`: the template's blocks by name.
struct SelfReference final : Object {
  explicit SelfReference(Evaluator& its_evaluator) : Object("self"), evaluator(its_evaluator) {}
  Value call(Evaluator&, const Arguments&) const override {
    fail("'TemplateReference' object is not callable");
  }
  std::optional<Value> attribute(std::string_view asked) const override {
    return evaluator.block_named(asked);
  }
  bool is_callable() const override { return false; }
  std::string print() const override { return "<TemplateReference None>"; }

  Evaluator& evaluator;
};

inline Value make_self(Evaluator& evaluator) {
  return Value::object(std::make_shared<SelfReference>(evaluator));
}

inline std::optional<Value> Evaluator::block_named(std::string_view name) {
  for (const Statement* block : tree_.blocks) {
    if (block->text != name) continue;
    return Value::function(block->text, [block](Evaluator& evaluator, const Arguments&) {
      return evaluator.run_block(*block, evaluator.held_.front());
    });
  }
  return {};
}

inline Value Evaluator::run_block(const Statement& block, const ScopePtr& parent) {
  const Level level;
  if (block.required) raise("the block '{}' must be filled by another template", block.text);
  const Place called_from = place_;
  const Escaping escaping = std::exchange(escaping_, {});
  std::string text;
  capture(block.body, scope_in(parent), text);
  escaping_ = escaping;
  place_ = called_from;
  return make_text(std::move(text), autoescape_);
}

inline Evaluator::Flow Evaluator::run_autoescape(const Statement& statement) {
  const bool wanted = evaluate(*statement.value).truth();
  const bool before = std::exchange(autoescape_, wanted);
  const bool constant = is_constant(*statement.value);
  const Escaping outer = escaping_;
  escaping_ = {constant ? wanted : outer.on, outer.asked || !constant};
  ScopePtr scope = scope_in(scope_);
  std::swap(scope_, scope);
  const Flow flow = execute(statement.body);
  std::swap(scope_, scope);
  escaping_ = outer;
  if (flow == Flow::kNormal) autoescape_ = before;  // in Jinja, too, a loop's break leaves it
  return flow;
}

inline void Evaluator::run_other_file(const Statement& statement) {
  const Value file = evaluate(*statement.value);
  place_ = statement.place;
  const bool none = !file.is_undefined() && !file.is_string() && !file.truth();
  if (statement.optional && none) return;
  raise("'{}' needs another file, and a chat template has none", statement.text);
}

}  // namespace posttrain::text::jinja
