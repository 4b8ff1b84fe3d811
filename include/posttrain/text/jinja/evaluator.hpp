// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template.
//
// Scopes are lexical as in compiled Jinja: a loop's body, a macro, a block capture and `with` each
// open one, `if` does not, and macros see the scope they were defined in. Templates come from
// strangers, so steps, depth and output are bounded.
#pragma once

#include <cstdint>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/text/jinja/ast.hpp"
#include "posttrain/text/jinja/methods.hpp"
#include "posttrain/text/jinja/operators.hpp"
#include "posttrain/text/jinja/output.hpp"
#include "posttrain/text/jinja/value.hpp"

namespace posttrain::text::jinja {

Value apply_filter(Evaluator& evaluator, std::string_view name, const Value& input,
                   const Arguments& arguments);
bool apply_test(Evaluator& evaluator, std::string_view name, const Value& input,
                const Arguments& arguments);

class Evaluator {
 public:
  static constexpr std::int64_t kMostSteps = 20000000;
  static constexpr int kDeepest = 300;
  static constexpr std::int64_t kLongestRange = 100000;  // as Jinja's sandbox

  explicit Evaluator(Dict context) : context_(std::move(context)) { add_globals(); }
  ~Evaluator() {  // namespaces and scopes may refer to each other in circles
    for (const Value& space : namespaces_) space.space().attributes.items.clear();
    for (Scope& scope : scopes_) scope.names.items.clear();
  }
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Output run(const Body& body) {
    Output output;
    out_ = &output.text;
    generations_ = &output.generations;
    root_ = out_;
    try {
      scope_ = open_scope(nullptr);
      execute(body);
    } catch (const Error& error) {
      std::string message = error.what();
      for (char& c : message) c = c == '\n' || c == '\r' ? ' ' : c;
      raise("chat template, line {}: {}", line_, message);
    }
    return output;
  }

  Value call(const Value& callee, const Arguments& arguments) {
    if (callee.is_undefined()) undefined_error(callee);
    if (callee.is_namespace()) {  // a recursive loop
      if (const Value* again = callee.space().attributes.find("__call__")) {
        return call(*again, arguments);
      }
    }
    if (!callee.is_callable()) raise("'{}' object is not callable", callee.type_name());
    return callee.callable().call(*this, arguments);
  }

  Value make_namespace(Dict attributes) {
    namespaces_.push_back(Value::make_namespace(std::move(attributes)));
    return namespaces_.back();
  }

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  struct Scope {
    Dict names;
    Scope* parent = nullptr;
  };
  struct Nested {
    explicit Nested(Evaluator& its_evaluator) : evaluator(its_evaluator) {
      if (++evaluator.depth_ > kDeepest) fail("nested too deeply (endless recursion?)");
      if (++evaluator.steps_ > kMostSteps) fail("too many steps (endless loop?)");
    }
    ~Nested() { --evaluator.depth_; }
    Evaluator& evaluator;
  };

  Scope* open_scope(Scope* parent) {
    if (scopes_.size() > 2000000) fail("too many scopes (endless loop?)");
    scopes_.push_back({{}, parent});
    return &scopes_.back();
  }

  Value look_up(std::string_view name) const {
    for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
      if (const Value* found = scope->names.find(name)) return *found;
    }
    if (const Value* found = context_.find(name)) return *found;
    if (const Value* found = globals_.find(name)) return *found;
    return Value::undefined(fmt::format("'{}' is undefined", name));
  }

  void write(std::string_view text) {
    check_text(out_->size() + text.size());
    out_->append(text);
  }

  /// Runs `body` in a scope of its own and returns what it wrote.
  template <class Bind>
  std::string capture(const Body& body, Scope* parent, Bind&& bind) {
    std::string text;
    std::string* outer = std::exchange(out_, &text);
    Scope* before = std::exchange(scope_, open_scope(parent));
    bind(*scope_);
    execute(body);
    scope_ = before;
    out_ = outer;
    return text;
  }
  std::string capture(const Body& body) {
    return capture(body, scope_, [](Scope&) {});
  }

  // ---- statements ----

  Flow execute(const Body& body) {
    for (const StatementPtr& statement : body) {
      const Flow flow = execute(*statement);
      if (flow != Flow::kNormal) return flow;
    }
    return Flow::kNormal;
  }

  Flow execute(const Statement& statement) {
    const Nested nested(*this);
    line_ = statement.line;
    switch (statement.kind) {
      case Statement::Kind::kText:
        write(statement.text);
        break;
      case Statement::Kind::kPrint:
        write(print(evaluate(*statement.value)));
        break;
      case Statement::Kind::kIf:
        return execute(evaluate(*statement.value).truth() ? statement.body : statement.otherwise);
      case Statement::Kind::kFor:
        run_loop(statement, evaluate(*statement.value), scope_, 0);
        break;
      case Statement::Kind::kSet:
        assign(*statement.target, evaluate(*statement.value), *scope_);
        break;
      case Statement::Kind::kSetBlock: {
        Value value = capture(statement.body);
        if (statement.value) value = filtered(*statement.value, std::move(value));
        assign(*statement.target, value, *scope_);
        break;
      }
      case Statement::Kind::kMacro:
        scope_->names.set(statement.text, make_macro(statement, scope_));
        break;
      case Statement::Kind::kCallBlock: {
        Arguments arguments = evaluate(statement.value->arguments);
        arguments.named.emplace_back("caller", make_macro(statement, scope_));
        write(print(call(evaluate(*statement.value->children[0]), arguments)));
        break;
      }
      case Statement::Kind::kFilter:
        write(print(filtered(*statement.value, capture(statement.body))));
        break;
      case Statement::Kind::kGeneration: {
        const std::size_t begin = out_->size();
        const std::string text = capture(statement.body);
        if (out_ == root_) generations_->emplace_back(begin, begin + text.size());
        write(text);
        break;
      }
      case Statement::Kind::kWith: {
        std::vector<Value> values;
        for (const Parameter& binding : statement.parameters) {
          values.push_back(evaluate(*binding.preset));
        }
        Scope* before = std::exchange(scope_, open_scope(scope_));
        for (std::size_t i = 0; i < values.size(); ++i) {
          scope_->names.set(statement.parameters[i].name, values[i]);
        }
        const Flow flow = execute(statement.body);
        scope_ = before;
        return flow;
      }
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNormal;
  }

  void run_loop(const Statement& loop, const Value& over, Scope* parent, int depth) {
    List items = iterate(over);
    Scope* before = scope_;
    if (loop.condition) {
      List kept;
      for (Value& item : items) {
        scope_ = open_scope(parent);
        assign(*loop.target, item, *scope_);
        if (evaluate(*loop.condition).truth()) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    const auto changed = std::make_shared<std::optional<Value>>();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (++steps_ > kMostSteps) fail("too many steps (endless loop?)");
      scope_ = open_scope(parent);
      scope_->names.set("loop", loop_variable(loop, items, i, parent, depth, changed));
      assign(*loop.target, items[i], *scope_);
      if (execute(loop.body) == Flow::kBreak) break;
    }
    scope_ = before;
    if (items.empty()) {
      scope_ = open_scope(parent);
      execute(loop.otherwise);
      scope_ = before;
    }
  }

  Value loop_variable(const Statement& loop, const List& items, std::size_t i, Scope* parent,
                      int depth, const std::shared_ptr<std::optional<Value>>& changed) {
    const std::size_t n = items.size();
    Dict dict;
    const auto add = [&](const char* name, Value value) {
      dict.items.emplace_back(name, std::move(value));
    };
    add("index", i + 1);
    add("index0", i);
    add("revindex", n - i);
    add("revindex0", n - i - 1);
    add("first", i == 0);
    add("last", i + 1 == n);
    add("length", n);
    add("depth", depth + 1);
    add("depth0", depth);
    add("previtem", i > 0 ? items[i - 1] : Value::undefined("there is no previous item"));
    add("nextitem", i + 1 < n ? items[i + 1] : Value::undefined("there is no next item"));
    add("cycle", Value::function("cycle", [i](Evaluator&, const Arguments& arguments) -> Value {
          if (arguments.positional.empty()) fail("no items for cycling given");
          return arguments.positional[i % arguments.positional.size()];
        }));
    add("changed",
        Value::function("changed", [changed](Evaluator&, const Arguments& arguments) -> Value {
          Value now(arguments.positional, Sequence::kTuple);
          const bool differs = !*changed || !(now == **changed);
          *changed = std::move(now);
          return differs;
        }));
    if (loop.recursive) {
      add("__call__", Value::function("loop", [&loop, parent, depth](Evaluator& evaluator,
                                                                     const Arguments& arguments) {
            const Value* over = arguments.get(0, "iterable");
            if (over == nullptr) fail("loop: missing argument");
            const Nested nested(evaluator);
            std::string text;
            std::string* outer = std::exchange(evaluator.out_, &text);
            evaluator.run_loop(loop, *over, parent, depth + 1);
            evaluator.out_ = outer;
            return Value(std::move(text));
          }));
    }
    return Value::make_namespace(std::move(dict));
  }

  void assign(const Expression& target, const Value& value, Scope& scope) {
    if (target.kind == Expression::Kind::kName) {
      scope.names.set(target.name, value);
    } else if (target.kind == Expression::Kind::kAttribute) {
      const Value space = evaluate(*target.children[0]);
      if (!space.is_namespace()) fail("cannot assign attribute on non-namespace object");
      if (target.name.starts_with('_')) fail("a namespace has no names with a leading underscore");
      space.space().attributes.set(target.name, value);
    } else {
      const List items = iterate(value);
      if (items.size() != target.children.size()) {
        raise("expected {} values to unpack, got {}", target.children.size(), items.size());
      }
      for (std::size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i], scope);
    }
  }

  Value make_macro(const Statement& macro, Scope* defined_in) {
    return Value::function(
        macro.text,
        [&macro, defined_in](Evaluator& evaluator, const Arguments& arguments) -> Value {
          const Nested nested(evaluator);
          return evaluator.run_macro(macro, defined_in, arguments);
        });
  }

  Value run_macro(const Statement& macro, Scope* defined_in, const Arguments& arguments) {
    const int called_from = line_;
    std::string text = capture(macro.body, defined_in, [&](Scope& scope) {
      std::vector<std::pair<std::string, Value>> surplus = arguments.named;
      for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
        const Parameter& parameter = macro.parameters[i];
        Value value;
        const auto named = std::find_if(surplus.begin(), surplus.end(),
                                        [&](const auto& n) { return n.first == parameter.name; });
        if (i < arguments.positional.size()) {
          value = arguments.positional[i];
        } else if (named != surplus.end()) {
          value = named->second;
          surplus.erase(named);
        } else if (parameter.preset) {
          value = evaluate(*parameter.preset);
        } else {
          value = Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
        }
        scope.names.set(parameter.name, value);
      }
      if (macro.takes_caller) {
        const auto caller = std::find_if(surplus.begin(), surplus.end(),
                                         [](const auto& n) { return n.first == "caller"; });
        if (caller != surplus.end()) {
          scope.names.set("caller", caller->second);
          surplus.erase(caller);
        } else {
          scope.names.set("caller", Value::undefined("No caller defined"));
        }
      }
      List rest;
      for (std::size_t i = macro.parameters.size(); i < arguments.positional.size(); ++i) {
        rest.push_back(arguments.positional[i]);
      }
      if (macro.takes_varargs) {
        scope.names.set("varargs", Value(std::move(rest), Sequence::kTuple));
      } else if (!rest.empty()) {
        raise("macro '{}' takes not more than {} argument(s)", macro.text, macro.parameters.size());
      }
      if (macro.takes_kwargs) {
        Dict kwargs;
        for (const auto& [name, value] : surplus) kwargs.set(name, value);
        scope.names.set("kwargs", std::move(kwargs));
      } else if (!surplus.empty()) {
        raise("macro '{}' takes no keyword argument '{}'", macro.text, surplus[0].first);
      }
    });
    line_ = called_from;
    return text;
  }

  // ---- expressions ----

  Arguments evaluate(const CallArguments& source) {
    Arguments arguments;
    for (const auto& argument : source.positional) {
      arguments.positional.push_back(evaluate(*argument));
    }
    if (source.star) {
      for (const Value& value : iterate(evaluate(*source.star))) {
        arguments.positional.push_back(value);
      }
    }
    for (const auto& [name, argument] : source.named) {
      arguments.named.emplace_back(name, evaluate(*argument));
    }
    if (source.star_star) {
      const Value dict = evaluate(*source.star_star);
      if (!dict.is_dict()) raise("expected a mapping after **, got {}", dict.type_name());
      for (const auto& [key, value] : dict.dict().items) {
        arguments.named.emplace_back(print(key), value);
      }
    }
    return arguments;
  }

  /// Puts `input` through a chain of filters whose innermost has no operand.
  Value filtered(const Expression& filter, Value input) {
    if (filter.children[0]) input = filtered(*filter.children[0], std::move(input));
    return apply_filter(*this, filter.name, input, evaluate(filter.arguments));
  }

  Value evaluate(const Expression& e) {
    using Kind = Expression::Kind;
    const Nested nested(*this);
    line_ = e.line;
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
        for (std::size_t i = 0; i + 1 < e.children.size(); i += 2) dict.set(child(i), child(i + 1));
        return dict;
      }
      case Kind::kAttribute:
        return attribute(child(0), e.name);
      case Kind::kIndex: {
        const Value object = child(0);
        return item(object, child(1));
      }
      case Kind::kSlice: {
        const Value object = child(0);
        const auto bound = [&](std::size_t i) { return e.children[i] ? child(i) : Value(nullptr); };
        return slice(object, bound(1), bound(2), bound(3));
      }
      case Kind::kCall: {
        const Value callee = child(0);
        const Arguments arguments = evaluate(e.arguments);
        line_ = e.line;
        return call(callee, arguments);
      }
      case Kind::kFilter: {
        const Value input = child(0);
        const Arguments arguments = evaluate(e.arguments);
        line_ = e.line;
        return apply_filter(*this, e.name, input, arguments);
      }
      case Kind::kTest: {
        const Value input = child(0);
        return apply_test(*this, e.name, input, evaluate(e.arguments));
      }
      case Kind::kNegate:
      case Kind::kPositive: {
        const Value value = child(0);
        if (value.is_undefined()) undefined_error(value);
        if (!value.is_number()) raise("bad operand type for unary -: '{}'", value.type_name());
        const bool negate = e.kind == Kind::kNegate;
        if (value.is_float()) return negate ? -value.number() : value.number();
        return integer_operation(negate ? "-" : "+", 0, value.integer());
      }
      case Kind::kNot:
        return !child(0).truth();
      case Kind::kAnd: {
        Value left = child(0);
        return left.truth() ? child(1) : left;
      }
      case Kind::kOr: {
        Value left = child(0);
        return left.truth() ? left : child(1);
      }
      case Kind::kBinary: {
        const Value left = child(0);
        return binary_operation(e.name, left, child(1));
      }
      case Kind::kCompare:
        return compare(e);
      case Kind::kConditional:
        if (child(0).truth()) return child(1);
        if (e.children[2]) return child(2);
        return Value::undefined("the inline if-expression has no else and was false");
    }
    return {};
  }

  Value compare(const Expression& e) {
    Value left = evaluate(*e.children[0]);
    for (std::size_t i = 0; i < e.operators.size(); ++i) {
      Value right = evaluate(*e.children[i + 1]);
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

  // ---- globals ----

  static Dict dict_of(const Arguments& arguments) {
    Dict dict;
    for (const Value& value : arguments.positional) {
      if (value.is_dict()) {
        for (const auto& [key, entry] : value.dict().items) dict.set(key, entry);
        continue;
      }
      for (const Value& pair : iterate(value)) {
        const List parts = iterate(pair);
        if (parts.size() != 2) fail("dict: expected pairs");
        dict.set(parts[0], parts[1]);
      }
    }
    for (const auto& [key, value] : arguments.named) dict.set(key, value);
    return dict;
  }

  template <class F>
  void add_global(const char* name, F f) {
    globals_.set(name, Value::function(name, std::move(f)));
  }

  void add_globals() {
    add_global("range", [](Evaluator&, const Arguments& arguments) -> Value {
      const auto& a = arguments.positional;
      if (a.empty() || a.size() > 3) fail("range: expected 1 to 3 arguments");
      const std::int64_t from = a.size() > 1 ? a[0].integer() : 0;
      const std::int64_t to = a[a.size() > 1 ? 1 : 0].integer();
      const std::int64_t by = a.size() > 2 ? a[2].integer() : 1;
      if (by == 0) fail("range: the step must not be zero");
      List out;
      for (std::int64_t i = from; by > 0 ? i < to : i > to;) {
        if (static_cast<std::int64_t>(out.size()) >= kLongestRange) {
          raise("range: expected at most {} items", kLongestRange);
        }
        out.emplace_back(i);
        if (__builtin_add_overflow(i, by, &i)) break;
      }
      return out;
    });
    add_global("namespace", [](Evaluator& evaluator, const Arguments& arguments) {
      Dict dict = dict_of(arguments);
      for (const auto& [key, value] : dict.items) {
        if (key.is_string() && key.text().starts_with('_')) {
          fail("a namespace has no names with a leading underscore");
        }
      }
      return evaluator.make_namespace(std::move(dict));
    });
    add_global("dict",
               [](Evaluator&, const Arguments& arguments) { return Value(dict_of(arguments)); });
    add_global("joiner", [](Evaluator&, const Arguments& arguments) {
      const Value* given = arguments.get(0, "sep");
      const Value separator = given != nullptr ? *given : Value(", ");
      auto used = std::make_shared<bool>(false);
      return Value::function("joiner", [separator, used](Evaluator&, const Arguments&) {
        return std::exchange(*used, true) ? separator : Value("");
      });
    });
    add_global("raise_exception", [](Evaluator&, const Arguments& arguments) -> Value {
      const Value* message = arguments.get(0, "message");
      throw Error(message != nullptr ? print(*message) : std::string("raise_exception"));
    });
    add_global("strftime_now", [](Evaluator&, const Arguments& arguments) -> Value {
      const std::string& format = text_argument(arguments, 0, "format");
      if (format.empty() || format.size() > 200) return "";
      const std::time_t now = std::time(nullptr);
      std::tm local{};
      localtime_r(&now, &local);
      char buffer[4096];
      return std::string(buffer, std::strftime(buffer, sizeof buffer, format.c_str(), &local));
    });
  }

  Dict context_, globals_;
  std::deque<Scope> scopes_;  // a macro may outlive the block it was defined in
  std::vector<Value> namespaces_;
  Scope* scope_ = nullptr;
  std::string* out_ = nullptr;
  std::string* root_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>>* generations_ = nullptr;
  std::int64_t steps_ = 0;
  int depth_ = 0;
  int line_ = 1;
};

}  // namespace posttrain::text::jinja
