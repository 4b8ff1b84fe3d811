// SPDX-License-Identifier: Apache-2.0
// The variable `loop` of a for block.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/scope.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// One per loop: `at` moves on with the iterations.
struct LoopVariable final : Object, std::enable_shared_from_this<LoopVariable> {
  LoopVariable(const Statement& its_loop, const List& its_items, const ScopePtr& its_parent,
               int its_level);

  Value call(Runtime& runtime, const Arguments& arguments) const override;
  std::optional<Value> attribute(std::string_view asked) const override;
  bool is_callable() const override { return true; }
  std::string print() const override;

  const Statement& loop;
  List items;
  std::weak_ptr<Scope> parent;  // alive as long as the loop runs
  int level;
  std::size_t at = 0;
  mutable std::optional<Value> last;  // the arguments that `changed` saw
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/loop_variable.ipp"
#endif
