// SPDX-License-Identifier: Apache-2.0
// The template that is running, as the functions, filters, macros and loops that it calls see it.
#pragma once

#include <optional>
#include <string_view>

#include "posttrain/jinja/escaping.hpp"
#include "posttrain/jinja/scope.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

struct Statement;

class Runtime {
 public:
  /// Whether filters return text that is not to be escaped again.
  virtual bool autoescape() const = 0;

  virtual Value apply_filter(std::string_view name, const Value& input,
                             const Arguments& arguments) = 0;
  virtual bool apply_test(std::string_view name, const Value& input,
                          const Arguments& arguments) const = 0;

  virtual Value make_namespace(Dict attributes) = 0;

  virtual Value run_macro(const Statement& macro, const ScopePtr& defined_in, Escaping escaping,
                          const Arguments& arguments) = 0;

  /// A recursive loop's `loop(items)`.
  virtual Value run_nested_loop(const Statement& loop, const Value& over, const ScopePtr& parent,
                                int depth) = 0;

  /// `self.NAME`: a function that runs the block, or nothing.
  virtual std::optional<Value> block_named(std::string_view name) = 0;

 protected:
  ~Runtime() = default;
};

}  // namespace posttrain::text::jinja
