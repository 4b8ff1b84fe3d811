// SPDX-License-Identifier: Apache-2.0
// Definitions of registry.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/registry.hpp"

namespace posttrain::text::jinja {

POSTTRAIN_INLINE bool Registry::add_filter(std::string_view name, Filter added) {
  filters_.emplace_back(name, added);
  return true;
}

POSTTRAIN_INLINE bool Registry::add_method(std::string_view name, Method added) {
  methods_.emplace_back(name, added);
  return true;
}

POSTTRAIN_INLINE Filter Registry::filter(std::string_view name) const {
  for (const auto& [known, filter] : filters_) {
    if (known == name) return filter;
  }
  return nullptr;
}

POSTTRAIN_INLINE Registry& registry() {
  static Registry filled;
  return filled;
}

POSTTRAIN_INLINE bool is_extra_filter(std::string_view name) {
  constexpr std::string_view kNames[] = {"center",   "filesizeformat", "pprint", "striptags",
                                         "truncate", "urlencode",      "urlize", "wordcount",
                                         "wordwrap", "xmlattr"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

POSTTRAIN_INLINE bool is_extra_method(std::string_view name) {
  return name == "format" || name == "format_map";
}

POSTTRAIN_INLINE std::string needs_extra(std::string_view what) {
  return fmt::format(
      "{} is not built in; hint: #include <posttrain/jinja/extra.hpp> in one file of the program",
      what);
}

}  // namespace posttrain::text::jinja
