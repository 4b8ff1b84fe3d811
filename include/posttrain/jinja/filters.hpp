// SPDX-License-Identifier: Apache-2.0
// The filters of `value | filter` by name, with the meanings of Jinja2's and transformers'
// `tojson`.
//
// Built in are those that lists, texts and numbers of a conversation need; jinja/extra.hpp has the
// others of Jinja2. `random` is refused where it runs: a rendering is a function of its input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

bool has_filter(std::string_view name);

/// The filters that are built in, and those that were added (jinja/registry.hpp).
std::vector<std::string_view> filter_names();

Value apply_filter(Runtime& runtime, std::string_view name, const Value& input,
                   const Arguments& arguments);

/// The error of a template that names a filter which there is not.
std::string unknown_filter(std::string_view name);

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/filters.ipp"
#endif
