// SPDX-License-Identifier: Apache-2.0
// The variable `loop` of a for block.
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
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// One per loop: `at` moves on with the iterations.
struct LoopVariable final : Object, std::enable_shared_from_this<LoopVariable> {
  LoopVariable(const Statement& its_loop, const List& its_items, ScopePtr its_parent, int its_level)
      : Object("loop"),
        loop(its_loop),
        items(its_items),
        parent(std::move(its_parent)),
        level(its_level) {
    for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
  }

  Value call(Evaluator& evaluator, const Arguments& arguments) const override {
    if (!loop.recursive) fail("the loop must have the 'recursive' marker to be called");
    return evaluator.run_nested_loop(loop, need(arguments, 0, "iterable"), parent.lock(),
                                     level + 1);
  }

  bool is_callable() const override { return true; }

  std::string print() const override {
    return fmt::format("<LoopContext {}/{}>", at + 1, items.size());
  }

  std::optional<Value> attribute(std::string_view asked) const override {
    const std::size_t n = items.size();
    if (asked == "index") return at + 1;
    if (asked == "index0") return at;
    if (asked == "revindex") return n - at;
    if (asked == "revindex0") return n - at - 1;
    if (asked == "first") return at == 0;
    if (asked == "last") return at + 1 == n;
    if (asked == "length") return n;
    if (asked == "depth") return level + 1;
    if (asked == "depth0") return level;
    if (asked == "previtem") {
      return at > 0 ? items[at - 1] : Value::undefined("there is no previous item");
    }
    if (asked == "nextitem") {
      return at + 1 < n ? items[at + 1] : Value::undefined("there is no next item");
    }
    const auto self = shared_from_this();
    if (asked == "cycle") {
      return Value::function("cycle", [self](Evaluator&, const Arguments& arguments) -> Value {
        if (arguments.positional.empty()) fail("no items for cycling given");
        return arguments.positional[self->at % arguments.positional.size()];
      });
    }
    if (asked == "changed") {
      return Value::function("changed", [self](Evaluator&, const Arguments& arguments) -> Value {
        Value now(arguments.positional, Sequence::kTuple);
        const bool differs = !self->last || !(now == *self->last);
        self->last = std::move(now);
        return differs;
      });
    }
    return {};
  }

  const Statement& loop;
  List items;
  std::weak_ptr<Scope> parent;  // alive as long as the loop runs
  int level;
  std::size_t at = 0;
  mutable std::optional<Value> last;  // what `changed` saw
};

}  // namespace posttrain::text::jinja
