// SPDX-License-Identifier: Apache-2.0
// Macros and the callers of call blocks (part of Evaluator).
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/operators.hpp"

namespace posttrain::text::jinja {

inline ScopePtr scope_in(ScopePtr parent) {
  return std::make_shared<Scope>(Scope{{}, std::move(parent)});
}

struct Macro final : Object {
  Macro(const Statement& its_source, const ScopePtr& its_scope, Escaping its_escaping)
      : Object(its_source.text),
        source(its_source),
        defined_in(its_scope),
        escaping(its_escaping) {}

  Value call(Evaluator& evaluator, const Arguments& arguments) const override {
    const Level level;
    return evaluator.run_macro(source, defined_in.lock(), escaping, arguments);
  }
  std::optional<Value> attribute(std::string_view asked) const override {
    if (asked == "name") return source.kind == Statement::Kind::kMacro ? Value(name) : nullptr;
    if (asked == "catch_varargs") return source.takes_varargs;
    if (asked == "catch_kwargs") return source.takes_kwargs;
    if (asked == "caller") return source.takes_caller;
    if (asked != "arguments") return {};
    List names;
    for (const Parameter& parameter : source.parameters) names.emplace_back(parameter.name);
    return Value(std::move(names), Sequence::kTuple);
  }
  std::string print() const override { return "<Macro '" + name + "'>"; }

  const Statement& source;
  std::weak_ptr<Scope> defined_in;  // the evaluator holds it
  Escaping escaping;                // of what it prints
};

inline Value Evaluator::make_macro(const Statement& macro) {
  spend(8);
  if (held_.empty() || held_.back() != scope_) held_.push_back(scope_);
  return Value::object(std::make_shared<Macro>(macro, scope_, escaping_));
}

inline Value Evaluator::run_macro(const Statement& macro, const ScopePtr& defined_in,
                                  Escaping escaping, const Arguments& arguments) {
  const Place called_from = place_;
  const bool markup = autoescape_;
  std::swap(escaping_, escaping);
  ScopePtr scope = scope_in(defined_in);
  std::swap(scope_, scope);  // defaults see the parameters before them
  bind_parameters(macro, arguments, *scope_);
  std::swap(scope_, scope);
  std::string text;
  capture(macro.body, std::move(scope), text);
  std::swap(escaping_, escaping);
  place_ = called_from;
  return make_text(std::move(text), markup);
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
