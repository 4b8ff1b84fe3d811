// SPDX-License-Identifier: Apache-2.0
// The variable `self`: a template's blocks by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

struct SelfReference final : Object {
  /// Keeps a reference to the running template, which holds this.
  explicit SelfReference(Runtime& its_runtime) : Object("self"), runtime(its_runtime) {}

  Value call(Runtime&, const Arguments&) const override;
  std::optional<Value> attribute(std::string_view asked) const override;
  bool is_callable() const override { return false; }
  std::string print() const override { return "<TemplateReference None>"; }

  Runtime& runtime;
};

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/self_reference.ipp"
#endif
