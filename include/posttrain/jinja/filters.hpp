// SPDX-License-Identifier: Apache-2.0
// The filters of `value | filter` by name, with the meanings of Jinja2's and transformers'
// `tojson`.
//
// `random` is refused where it runs: a rendering is a function of its input.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/evaluator.hpp"
#include "posttrain/jinja/number_filters.hpp"
#include "posttrain/jinja/pretty.hpp"
#include "posttrain/jinja/printf_format.hpp"
#include "posttrain/jinja/sequence_filters.hpp"
#include "posttrain/jinja/text_filters.hpp"
#include "posttrain/jinja/web_filters.hpp"
#include "posttrain/jinja/word_wrap.hpp"

namespace posttrain::text::jinja {

using Filter = Value (*)(Evaluator&, const Value&, const Arguments&);

namespace filters {

template <std::string (*f)(std::string_view)>
Value text(Evaluator&, const Value& v, const Arguments&) {
  return make_text(f(print(v)), v.is_markup());
}

inline Value preset(Evaluator&, const Value& v, const Arguments& a) {
  if (!v.is_undefined() && (v.truth() || !flag_argument(a, 1, "boolean"))) return v;
  const Value* given = a.get(0, "default_value");
  return given != nullptr ? *given : Value("");
}

inline Value size(Evaluator&, const Value& v, const Arguments&) { return length(v); }

inline Value escape(Evaluator&, const Value& v, const Arguments&) {
  return v.is_markup() ? v : Value(escape_markup(print(v)), true);
}

inline Value trim(Evaluator&, const Value& v, const Arguments& a) {
  return make_text(strip(print(v), a.get(0, "chars"), true, true), v.is_markup());
}

inline Value replace(Evaluator& evaluator, const Value& v, const Arguments& a) {
  const Value& old = need(a, 0, "old");
  const Value& fresh = need(a, 1, "new");
  const std::int64_t count = integer_argument(a, 2, "count", -1);
  const bool escape = evaluator.autoescape();
  const bool markup = escape && (v.is_markup() || old.is_markup() || fresh.is_markup());
  return make_text(jinja::replace(markup ? escaped(v) : print(v), print(old),
                                  markup ? escaped(fresh) : print(fresh), count),
                   markup);
}

inline Value attr(Evaluator&, const Value& v, const Arguments& a) {
  const std::string name = print(need(a, 0, "name"));
  if (v.is_undefined()) undefined_error(v);
  if (auto found = find_attribute(v, name)) return *found;
  return Value::undefined(fmt::format("'{} object' has no attribute '{}'", v.type_name(), name));
}

inline Value center(Evaluator&, const Value& v, const Arguments& a) {
  Arguments width;
  width.positional.emplace_back(integer_argument(a, 0, "width", 80));
  return Value(string_methods::pad<0>(Value(print(v)), width).text(), v.is_markup());
}

inline Value format(Evaluator&, const Value& v, const Arguments& a) {
  if (!a.positional.empty() && !a.named.empty()) {
    fail("format: expected positional or keyword arguments, not both");
  }
  if (a.named.empty()) {
    return binary_operation("%", text_of(v), Value(a.positional, Sequence::kTuple));
  }
  Dict dict;
  for (const auto& [key, value] : a.named) dict.set(key, value);
  return binary_operation("%", text_of(v), dict);
}

inline Value random(Evaluator&, const Value&, const Arguments&) {
  fail(
      "the filter 'random' would render the same conversation differently each time; hint: use "
      "first");
}

}  // namespace filters

inline const std::vector<std::pair<std::string_view, Filter>>& filter_table() {
  static const std::vector<std::pair<std::string_view, Filter>> table = {
      {"abs", filters::absolute},
      {"attr", filters::attr},
      {"batch", filters::batch},
      {"capitalize", filters::text<capitalize>},
      {"center", filters::center},
      {"count", filters::size},
      {"d", filters::preset},
      {"default", filters::preset},
      {"dictsort", filters::dictsort},
      {"e", filters::escape},
      {"escape", filters::escape},
      {"filesizeformat", filters::file_size},
      {"first", filters::first},
      {"float", filters::to_float},
      {"forceescape", [](Evaluator&, const Value& v,
                         const Arguments&) { return Value(escape_markup(print(v)), true); }},
      {"format", filters::format},
      {"groupby", filters::groupby},
      {"indent", filters::indent},
      {"int", filters::to_integer},
      {"items", filters::items},
      {"join", filters::join},
      {"last", filters::last},
      {"length", filters::size},
      {"list", [](Evaluator&, const Value& v, const Arguments&) { return Value(iterate(v)); }},
      {"lower", filters::text<lower>},
      {"map", filters::map},
      {"max", filters::extreme<true>},
      {"min", filters::extreme<false>},
      {"pprint", filters::pretty},
      {"random", filters::random},
      {"reject", filters::select<false, false>},
      {"rejectattr", filters::select<false, true>},
      {"replace", filters::replace},
      {"reverse", filters::reverse},
      {"round", filters::round},
      {"safe", [](Evaluator&, const Value& v, const Arguments&) { return Value(print(v), true); }},
      {"select", filters::select<true, false>},
      {"selectattr", filters::select<true, true>},
      {"slice", filters::slices},
      {"sort", filters::sort},
      {"string", [](Evaluator&, const Value& v,
                    const Arguments&) { return v.is_string() ? v : Value(print(v)); }},
      {"striptags", filters::strip_tags},
      {"sum", filters::sum},
      {"title", filters::title},
      {"tojson", filters::tojson},
      {"trim", filters::trim},
      {"truncate", filters::truncate},
      {"unique", filters::unique},
      {"upper", filters::text<upper>},
      {"urlencode", filters::url_encode},
      {"urlize", filters::urlize},
      {"wordcount", filters::word_count},
      {"wordwrap", filters::word_wrap},
      {"xmlattr", filters::xml_attributes},
  };
  return table;
}

inline bool has_filter(std::string_view name) {
  const auto& table = filter_table();
  return std::any_of(table.begin(), table.end(), [&](const auto& f) { return f.first == name; });
}

inline Value apply_filter(Evaluator& evaluator, std::string_view name, const Value& input,
                          const Arguments& arguments) {
  for (const auto& [known, filter] : filter_table()) {
    if (known == name) return filter(evaluator, input, arguments);
  }
  raise("the filter '{}' is not supported", name);
}

}  // namespace posttrain::text::jinja
