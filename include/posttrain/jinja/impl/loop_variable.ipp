// SPDX-License-Identifier: Apache-2.0
// Definitions of loop_variable.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/loop_variable.hpp"
#include "posttrain/jinja/runtime.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE LoopVariable::LoopVariable(const Statement& its_loop, const List& its_items,
                                            const ScopePtr& its_parent, int its_level)
    : Object("loop"), loop(its_loop), items(its_items), parent(its_parent), level(its_level) {
  for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
}

POSTTRAIN_INLINE Value LoopVariable::call(Runtime& runtime, const Arguments& arguments) const {
  if (!loop.recursive) fail("the loop must have the 'recursive' marker to be called");
  return runtime.run_nested_loop(loop, need(arguments, 0, "iterable"), parent.lock(), level + 1);
}

POSTTRAIN_INLINE std::string LoopVariable::print() const {
  return fmt::format("<LoopContext {}/{}>", at + 1, items.size());
}

POSTTRAIN_INLINE std::optional<Value> LoopVariable::attribute(std::string_view asked) const {
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
    return Value::function("cycle", [self](Runtime&, const Arguments& arguments) -> Value {
      if (arguments.positional.empty()) fail("no items for cycling given");
      return arguments.positional[self->at % arguments.positional.size()];
    });
  }
  if (asked == "changed") {
    return Value::function("changed", [self](Runtime&, const Arguments& arguments) -> Value {
      Value now(arguments.positional, Sequence::kTuple);
      const bool differs = !self->last || !(now == *self->last);
      self->last = std::move(now);
      return differs;
    });
  }
  return {};
}

}  // namespace posttrain::text::jinja
