// SPDX-License-Identifier: Apache-2.0
// Filters on numbers: int, float, round, abs.
#pragma once

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja::filters {

/// `int`, with a preset for what is no number, and a base for texts.
Value to_integer(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `float`, with a preset for what is no number.
Value to_float(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `round`, to even as Python does.
Value round(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `abs`.
Value absolute(Runtime& runtime, const Value& input, const Arguments& arguments);

}  // namespace posttrain::text::jinja::filters

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/number_filters.ipp"
#endif
