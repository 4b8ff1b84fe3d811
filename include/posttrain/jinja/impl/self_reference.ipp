// SPDX-License-Identifier: Apache-2.0
// Definitions of self_reference.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/runtime.hpp"
#include "posttrain/jinja/self_reference.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE Value SelfReference::call(Runtime&, const Arguments&) const {
  fail("'TemplateReference' object is not callable");
}

POSTTRAIN_INLINE std::optional<Value> SelfReference::attribute(std::string_view asked) const {
  return runtime.block_named(asked);
}

}  // namespace posttrain::text::jinja
