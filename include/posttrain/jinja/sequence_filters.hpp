// SPDX-License-Identifier: Apache-2.0
// Filters on sequences and mappings. Filters that Jinja writes as generators give generators.
#pragma once

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja::filters {

Value map(Runtime& runtime, const Value& input, const Arguments& arguments);
Value select(Runtime& runtime, const Value& input, const Arguments& arguments);
Value reject(Runtime& runtime, const Value& input, const Arguments& arguments);
Value selectattr(Runtime& runtime, const Value& input, const Arguments& arguments);
Value rejectattr(Runtime& runtime, const Value& input, const Arguments& arguments);
Value max(Runtime& runtime, const Value& input, const Arguments& arguments);
Value min(Runtime& runtime, const Value& input, const Arguments& arguments);
Value dictsort(Runtime& runtime, const Value& input, const Arguments& arguments);
Value groupby(Runtime& runtime, const Value& input, const Arguments& arguments);
Value unique(Runtime& runtime, const Value& input, const Arguments& arguments);
Value batch(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `slice`: so many lists of nearly equal length.
Value slices(Runtime& runtime, const Value& input, const Arguments& arguments);
Value first(Runtime& runtime, const Value& input, const Arguments& arguments);
Value last(Runtime& runtime, const Value& input, const Arguments& arguments);
Value items(Runtime& runtime, const Value& input, const Arguments& arguments);
Value sort(Runtime& runtime, const Value& input, const Arguments& arguments);
Value reverse(Runtime& runtime, const Value& input, const Arguments& arguments);
Value sum(Runtime& runtime, const Value& input, const Arguments& arguments);

}  // namespace posttrain::text::jinja::filters

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/sequence_filters.ipp"
#endif
