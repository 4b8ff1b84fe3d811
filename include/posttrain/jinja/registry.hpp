// SPDX-License-Identifier: Apache-2.0
// Filters, and methods of str, that come from outside: those of jinja/extra/, or a program's own.
//
// Filters that no published chat template uses (urlize, pprint, …) are compiled only where a
// program asks for them: a file that includes posttrain/jinja/extra.hpp registers them before
// main() runs, header-only as with the compiled library. Without it a template that names one has
// an error that names the header.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

using Filter = Value (*)(Runtime&, const Value& input, const Arguments& arguments);
using Method = Value (*)(const Value& self, const Arguments& arguments);
using FilterTable = std::vector<std::pair<std::string_view, Filter>>;
using MethodTable = std::vector<std::pair<std::string_view, Method>>;

/// Filled before templates are parsed: reading is not synchronised with adding.
class Registry {
 public:
  /// Names must live as long as the program. A built-in of the same name goes before. True, so that
  /// a variable's initial value may be a call.
  bool add_filter(std::string_view name, Filter added);
  bool add_method(std::string_view name, Method added);

  /// Null where there is none of this name.
  Filter filter(std::string_view name) const;
  const MethodTable& methods() const { return methods_; }
  const FilterTable& filters() const { return filters_; }

 private:
  FilterTable filters_;
  MethodTable methods_;
};

Registry& registry();

/// Whether jinja/extra.hpp has a filter or a method of str of this name, included or not.
bool is_extra_filter(std::string_view name);
bool is_extra_method(std::string_view name);

/// The error of a template that uses what is there only with jinja/extra.hpp: "the filter
/// 'urlize'".
std::string needs_extra(std::string_view what);

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/registry.ipp"
#endif
