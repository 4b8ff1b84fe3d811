// SPDX-License-Identifier: Apache-2.0
// Macros, and the callers of call blocks, as template values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/jinja/ast.hpp"
#include "posttrain/jinja/escaping.hpp"
#include "posttrain/jinja/scope.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

struct Macro final : Object {
  Macro(const Statement& its_source, const ScopePtr& its_scope, Escaping its_escaping)
      : Object(its_source.text),
        source(its_source),
        defined_in(its_scope),
        escaping(its_escaping) {}

  Value call(Runtime& runtime, const Arguments& arguments) const override;
  std::optional<Value> attribute(std::string_view asked) const override;
  std::string print() const override { return "<Macro '" + name + "'>"; }

  const Statement& source;
  std::weak_ptr<Scope> defined_in;  // the evaluator holds it
  Escaping escaping;                // of the body
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/macro.ipp"
#endif
