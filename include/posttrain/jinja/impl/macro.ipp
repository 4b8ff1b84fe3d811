// SPDX-License-Identifier: Apache-2.0
// Definitions of macro.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/jinja/limits.hpp"
#include "posttrain/jinja/macro.hpp"
#include "posttrain/jinja/runtime.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE Value Macro::call(Runtime& runtime, const Arguments& arguments) const {
  const Level level;
  return runtime.run_macro(source, defined_in.lock(), escaping, arguments);
}

POSTTRAIN_INLINE std::optional<Value> Macro::attribute(std::string_view asked) const {
  if (asked == "name") return source.kind == Statement::Kind::kMacro ? Value(name) : nullptr;
  if (asked == "catch_varargs") return source.takes_varargs;
  if (asked == "catch_kwargs") return source.takes_kwargs;
  if (asked == "caller") return source.takes_caller;
  if (asked != "arguments") return {};
  List names;
  for (const Parameter& parameter : source.parameters) names.emplace_back(parameter.name);
  return Value(std::move(names), Sequence::kTuple);
}

}  // namespace posttrain::text::jinja
