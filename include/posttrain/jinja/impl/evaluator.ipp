// SPDX-License-Identifier: Apache-2.0
// Definitions of evaluator.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/globals.hpp"
#include "posttrain/jinja/loop_variable.hpp"
#include "posttrain/jinja/macro.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/self_reference.hpp"
#include "posttrain/jinja/tests.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE Evaluator::Evaluator(const Tree& tree, Dict context, std::int64_t most_steps)
    : tree_(tree), context_(std::move(context)), most_steps_(most_steps) {}

POSTTRAIN_INLINE Evaluator::~Evaluator() {
  for (const Value& space : namespaces_) space.space().attributes.items.clear();
  for (const ScopePtr& scope : held_) scope->names.clear();
}

POSTTRAIN_INLINE Output Evaluator::run() {
  const Account account(most_steps_);
  Output output;
  out_ = root_ = &output.text;
  generations_ = &output.generations;
  scope_ = std::make_shared<Scope>();
  held_.push_back(scope_);
  self_ = Value::object(std::make_shared<SelfReference>(*this));
  try {
    execute(tree_.body);
  } catch (const Error& error) {
    raise_at(place_, error.what());
  }
  return output;
}

POSTTRAIN_INLINE Value Evaluator::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) raise("{}", callee.hint());
  if (!callee.is_object()) raise("'{}' object is not callable", callee.type_name());
  return callee.object().call(*this, arguments);
}

POSTTRAIN_INLINE Value Evaluator::apply_filter(std::string_view name, const Value& input,
                                               const Arguments& arguments) {
  return jinja::apply_filter(*this, name, input, arguments);
}

POSTTRAIN_INLINE bool Evaluator::apply_test(std::string_view name, const Value& input,
                                            const Arguments& arguments) const {
  return jinja::apply_test(name, input, arguments);
}

POSTTRAIN_INLINE Value Evaluator::make_namespace(Dict attributes) {
  spend(16 + attributes.items.size());
  namespaces_.push_back(Value::make_namespace(std::move(attributes)));
  return namespaces_.back();
}

POSTTRAIN_INLINE Value Evaluator::look_up(std::string_view name) const {
  if (const Value* found = scope_->find(name)) return *found;
  if (name == "self") return self_;
  if (const Value* found = context_.find(name)) return *found;
  if (const Value* found = globals().find(name)) return *found;
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

POSTTRAIN_INLINE void Evaluator::write(std::string_view text) { append(*out_, text); }

// ---- statements
// ----------------------------------------------------------------------------------

POSTTRAIN_INLINE Evaluator::Flow Evaluator::execute(const Body& body) {
  for (const StatementPtr& statement : body) {
    const Flow flow = execute(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

POSTTRAIN_INLINE Evaluator::Flow Evaluator::execute(const Statement& statement) {
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

POSTTRAIN_INLINE Evaluator::Flow Evaluator::capture(const Body& body, ScopePtr scope,
                                                    std::string& text) {
  std::string* outer = std::exchange(out_, &text);
  std::swap(scope_, scope);
  const Flow flow = execute(body);
  std::swap(scope_, scope);
  out_ = outer;
  return flow;
}

POSTTRAIN_INLINE void Evaluator::run_generation(const Statement& generation) {
  const std::size_t begin = out_->size();
  std::string text;
  capture(generation.body, scope_in(scope_), text);
  if (out_ == root_) generations_->emplace_back(begin, begin + text.size());
  write(text);
}

POSTTRAIN_INLINE Evaluator::Flow Evaluator::run_with(const Statement& with) {
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

POSTTRAIN_INLINE Evaluator::Flow Evaluator::run_autoescape(const Statement& statement) {
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

POSTTRAIN_INLINE void Evaluator::run_other_file(const Statement& statement) {
  const Value file = evaluate(*statement.value);
  place_ = statement.place;
  const bool none = !file.is_undefined() && !file.is_string() && !file.truth();
  if (statement.optional && none) return;
  raise("'{}' needs another file, and a chat template has none", statement.text);
}

POSTTRAIN_INLINE void Evaluator::assign(const Expression& target, const Value& value,
                                        Scope& scope) {
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

POSTTRAIN_INLINE void Evaluator::run_loop(const Statement& loop, const Value& over, ScopePtr parent,
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

POSTTRAIN_INLINE Value Evaluator::run_nested_loop(const Statement& loop, const Value& over,
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

POSTTRAIN_INLINE std::optional<Value> Evaluator::block_named(std::string_view name) {
  for (const Statement* block : tree_.blocks) {
    if (block->text != name) continue;
    return Value::function(block->text, [this, block](Runtime&, const Arguments&) {
      return run_block(*block, held_.front());
    });
  }
  return {};
}

POSTTRAIN_INLINE Value Evaluator::run_block(const Statement& block, const ScopePtr& parent) {
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

// ---- macros
// --------------------------------------------------------------------------------------

POSTTRAIN_INLINE Value Evaluator::make_macro(const Statement& macro) {
  spend(8);
  if (held_.empty() || held_.back() != scope_) held_.push_back(scope_);
  return Value::object(std::make_shared<Macro>(macro, scope_, escaping_));
}

POSTTRAIN_INLINE Value Evaluator::run_macro(const Statement& macro, const ScopePtr& defined_in,
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

POSTTRAIN_INLINE void Evaluator::bind_parameters(const Statement& macro, const Arguments& arguments,
                                                 Scope& scope) {
  auto surplus = arguments.named;
  const auto take = [&](std::string_view name, Value& value) {
    spend(surplus.size() / 8);
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

// ---- expressions
// ---------------------------------------------------------------------------------

POSTTRAIN_INLINE bool is_constant(const Expression& e, bool with_filters) {
  using Kind = Expression::Kind;
  const auto all = [&](const auto& parts) {
    return std::ranges::all_of(
        parts, [&](const auto& part) { return !part || is_constant(*part, with_filters); });
  };
  if (e.kind == Kind::kName || e.kind == Kind::kCall) return false;
  if (!with_filters && (e.kind == Kind::kFilter || e.kind == Kind::kTest)) return false;
  const CallArguments& a = e.arguments;
  return a.named.empty() && !a.star && !a.star_star && all(e.children) && all(a.positional);
}

POSTTRAIN_INLINE Value Evaluator::evaluate(const Expression& e) {
  using Kind = Expression::Kind;
  const Level level;
  const auto child = [&](std::size_t i) { return evaluate(*e.children[i]); };
  switch (e.kind) {
    case Kind::kConstant:
      return e.constant;
    case Kind::kName:
      return look_up(e.name);
    case Kind::kList:
    case Kind::kTuple: {
      List items;
      for (std::size_t i = 0; i < e.children.size(); ++i) items.push_back(child(i));
      return Value(std::move(items), e.kind == Kind::kTuple ? Sequence::kTuple : Sequence::kList);
    }
    case Kind::kDict: {
      Dict dict;
      for (std::size_t i = 0; i + 1 < e.children.size(); i += 2) {
        Value key = child(i);
        check_key(key);
        dict.set(std::move(key), child(i + 1));
      }
      return dict;
    }
    case Kind::kAttribute: {
      const Value object = child(0);
      place_ = e.place;
      return attribute(object, e.name);
    }
    case Kind::kIndex: {
      const Value object = child(0);
      const Value key = child(1);
      place_ = e.place;
      return item(object, key);
    }
    case Kind::kSlice: {
      const Value object = child(0);
      const auto bound = [&](std::size_t i) { return e.children[i] ? child(i) : Value(nullptr); };
      const Value start = bound(1);
      const Value stop = bound(2);
      const Value step = bound(3);
      place_ = e.place;
      return slice(object, start, stop, step);
    }
    case Kind::kCall: {
      const Value callee = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      return call(callee, arguments);
    }
    case Kind::kFilter: {
      const Value input = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      if (autoescape_ != escaping_.on && !escaping_.asked && is_constant(e)) {
        const bool moment = std::exchange(autoescape_, escaping_.on);
        Value value = jinja::apply_filter(*this, e.name, input, arguments);
        autoescape_ = moment;
        return value;
      }
      return jinja::apply_filter(*this, e.name, input, arguments);
    }
    case Kind::kTest: {
      const Value input = child(0);
      const Arguments arguments = evaluate(e.arguments);
      place_ = e.place;
      return jinja::apply_test(e.name, input, arguments);
    }
    case Kind::kConditional:
      if (child(0).truth()) return child(1);
      if (e.children[2]) return child(2);
      return Value::undefined("the inline if-expression has no else and was false");
    default:
      return evaluate_operator(e);
  }
}

POSTTRAIN_INLINE Value Evaluator::evaluate_operator(const Expression& e) {
  using Kind = Expression::Kind;
  switch (e.kind) {
    case Kind::kNegate:
    case Kind::kPositive: {
      const Value value = evaluate(*e.children[0]);
      place_ = e.place;
      if (value.is_undefined()) undefined_error(value);
      if (!value.is_number()) raise("bad operand type for unary -: '{}'", value.type_name());
      const bool negate = e.kind == Kind::kNegate;
      if (value.is_float()) return negate ? -value.number() : value.number();
      return integer_operation(negate ? "-" : "+", 0, value.integer());
    }
    case Kind::kNot:
      return !evaluate(*e.children[0]).truth();
    case Kind::kAnd: {
      Value left = evaluate(*e.children[0]);
      return left.truth() ? evaluate(*e.children[1]) : left;
    }
    case Kind::kOr: {
      Value left = evaluate(*e.children[0]);
      return left.truth() ? left : evaluate(*e.children[1]);
    }
    case Kind::kBinary: {
      if (e.name == "~" && escaping_.on && !escaping_.asked && !is_constant(e)) {
        return concatenate(e);
      }
      const Value left = evaluate(*e.children[0]);
      const Value right = evaluate(*e.children[1]);
      place_ = e.place;
      return binary_operation(e.name, left, right);
    }
    default:
      return compare(e);
  }
}

POSTTRAIN_INLINE Value Evaluator::concatenate(const Expression& e) {
  const Expression& left = *e.children[0];
  const bool chain = left.kind == Expression::Kind::kBinary && left.name == "~";
  const Value before = text_of(chain ? concatenate(left) : evaluate(left));
  const Value behind = text_of(evaluate(*e.children[1]));
  place_ = e.place;
  return add_texts(before, behind);
}

POSTTRAIN_INLINE Value Evaluator::compare(const Expression& e) {
  Value left = evaluate(*e.children[0]);
  for (std::size_t i = 0; i < e.operators.size(); ++i) {
    Value right = evaluate(*e.children[i + 1]);
    place_ = e.place;
    const std::string& op = e.operators[i];
    const bool holds = op == "=="       ? left == right
                       : op == "!="     ? !(left == right)
                       : op == "in"     ? contains(right, left)
                       : op == "not in" ? !contains(right, left)
                       : op == "<"      ? order(left, right) < 0
                       : op == "<="     ? order(left, right) <= 0
                       : op == ">"      ? order(left, right) > 0
                                        : order(left, right) >= 0;
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

POSTTRAIN_INLINE Arguments Evaluator::evaluate(const CallArguments& source) {
  Arguments arguments;
  for (const auto& argument : source.positional)
    arguments.positional.push_back(evaluate(*argument));
  if (source.star) {
    for (const Value& value : iterate(evaluate(*source.star))) {
      arguments.positional.push_back(value);
    }
  }
  const auto add = [&](const std::string& name, Value value) {
    spend(arguments.named.size() / 8);
    for (const auto& [known, other] : arguments.named) {
      if (known == name) raise("got multiple values for keyword argument '{}'", name);
    }
    arguments.named.emplace_back(name, std::move(value));
  };
  for (const auto& [name, argument] : source.named) add(name, evaluate(*argument));
  if (source.star_star) {
    const Value dict = evaluate(*source.star_star);
    if (!dict.is_dict()) raise("expected a mapping after **, got {}", dict.type_name());
    for (const auto& [key, value] : dict.dict().items) {
      if (!key.is_string()) fail("keywords must be strings");
      add(key.text(), value);
    }
  }
  return arguments;
}

POSTTRAIN_INLINE Value Evaluator::filtered(const Expression& filter, Value input) {
  if (filter.children[0]) input = filtered(*filter.children[0], std::move(input));
  const Arguments arguments = evaluate(filter.arguments);
  place_ = filter.place;
  return jinja::apply_filter(*this, filter.name, input, arguments);
}

}  // namespace posttrain::text::jinja
