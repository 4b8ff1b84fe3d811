// SPDX-License-Identifier: Apache-2.0
// Definitions of filters.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/attributes.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/number_filters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/sequence_filters.hpp"
#include "posttrain/jinja/text_filters.hpp"

namespace posttrain::text::jinja {

namespace filters {

inline Value preset(Runtime&, const Value& v, const Arguments& a) {
  if (!v.is_undefined() && (v.truth() || !flag_argument(a, 1, "boolean"))) return v;
  const Value* given = a.get(0, "default_value");
  return given != nullptr ? *given : Value("");
}

inline Value size(Runtime&, const Value& v, const Arguments&) { return length(v); }

inline Value attr(Runtime&, const Value& v, const Arguments& a) {
  const std::string name = print(need(a, 0, "name"));
  if (v.is_undefined()) undefined_error(v);
  if (auto found = find_attribute(v, name)) return *found;
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", v.type_name(), brief(name)));
}

inline Value list(Runtime&, const Value& input, const Arguments&) { return iterate(input); }

inline Value random(Runtime&, const Value&, const Arguments&) {
  fail(
      "the filter 'random' would render the same conversation differently each time; hint: use "
      "first");
}

}  // namespace filters

inline const FilterTable& filter_table() {
  static const FilterTable table = {
      {"abs", filters::absolute},
      {"attr", filters::attr},
      {"batch", filters::batch},
      {"capitalize", filters::capitalize},
      {"count", filters::size},
      {"d", filters::preset},
      {"default", filters::preset},
      {"dictsort", filters::dictsort},
      {"e", filters::escape},
      {"escape", filters::escape},
      {"first", filters::first},
      {"float", filters::to_float},
      {"forceescape", filters::force_escape},
      {"format", filters::format},
      {"groupby", filters::groupby},
      {"indent", filters::indent},
      {"int", filters::to_integer},
      {"items", filters::items},
      {"join", filters::join},
      {"last", filters::last},
      {"length", filters::size},
      {"list", filters::list},
      {"lower", filters::lower},
      {"map", filters::map},
      {"max", filters::max},
      {"min", filters::min},
      {"random", filters::random},
      {"reject", filters::reject},
      {"rejectattr", filters::rejectattr},
      {"replace", filters::replace},
      {"reverse", filters::reverse},
      {"round", filters::round},
      {"safe", filters::safe},
      {"select", filters::select},
      {"selectattr", filters::selectattr},
      {"slice", filters::slices},
      {"sort", filters::sort},
      {"string", filters::to_text},
      {"sum", filters::sum},
      {"title", filters::title},
      {"tojson", filters::tojson},
      {"trim", filters::trim},
      {"unique", filters::unique},
      {"upper", filters::upper},
  };
  return table;
}

inline Filter find_filter(std::string_view name) {
  for (const auto& [known, filter] : filter_table()) {
    if (known == name) return filter;
  }
  return registry().filter(name);
}

POSTTRAIN_INLINE std::vector<std::string_view> filter_names() {
  std::vector<std::string_view> names;
  for (const FilterTable* table : {&filter_table(), &registry().filters()}) {
    for (const auto& [name, filter] : *table) names.push_back(name);
  }
  return names;
}

POSTTRAIN_INLINE bool has_filter(std::string_view name) { return find_filter(name) != nullptr; }

POSTTRAIN_INLINE Value apply_filter(Runtime& runtime, std::string_view name, const Value& input,
                                    const Arguments& arguments) {
  spend(2);  // for the look-up
  const Filter filter = find_filter(name);
  if (filter == nullptr) raise("{}", unknown_filter(name));
  return filter(runtime, input, arguments);
}

POSTTRAIN_INLINE std::string unknown_filter(std::string_view name) {
  const std::string what = fmt::format("the filter '{}'", name);
  return is_extra_filter(name) ? needs_extra(what) : what + " is not supported";
}

}  // namespace posttrain::text::jinja
