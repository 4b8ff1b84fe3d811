// SPDX-License-Identifier: Apache-2.0
// Definitions of tests.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/jinja/tests.hpp"

namespace posttrain::text::jinja {

using Test = bool (*)(const Value& value, const Value* argument);

inline const std::vector<std::pair<std::string_view, Test>>& test_table() {
  static const auto need = [](const Value* argument) -> const Value& {
    if (argument == nullptr) fail("the test needs an argument");
    return *argument;
  };
  static const Test equal = [](const Value& v, const Value* a) { return v == need(a); };
  static const Test unequal = [](const Value& v, const Value* a) { return !(v == need(a)); };
  static const Test less = [](const Value& v, const Value* a) { return order(v, need(a)) < 0; };
  static const Test at_most = [](const Value& v, const Value* a) { return order(v, need(a)) <= 0; };
  static const Test more = [](const Value& v, const Value* a) { return order(v, need(a)) > 0; };
  static const Test at_least = [](const Value& v, const Value* a) {
    return order(v, need(a)) >= 0;
  };
  static const auto modulo = [](const Value& v, std::int64_t by, int rest = 0) {
    return binary_operation("%", v, Value(by)) == Value(rest);
  };
  static const auto names = [](const Value& v, bool (*known)(std::string_view)) {
    check_key(v);
    return v.is_string() && known(v.text());
  };
  static const std::vector<std::pair<std::string_view, Test>> table = {
      {"defined", [](const Value& v, const Value*) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v, const Value*) { return v.is_undefined(); }},
      {"none", [](const Value& v, const Value*) { return v.is_none(); }},
      {"boolean", [](const Value& v, const Value*) { return v.is_bool(); }},
      {"true", [](const Value& v, const Value*) { return v.is_bool() && v.truth(); }},
      {"false", [](const Value& v, const Value*) { return v.is_bool() && !v.truth(); }},
      {"integer", [](const Value& v, const Value*) { return v.is_integer(); }},
      {"float", [](const Value& v, const Value*) { return v.is_float(); }},
      {"number", [](const Value& v, const Value*) { return v.is_number(); }},
      {"string", [](const Value& v, const Value*) { return v.is_string(); }},
      {"mapping", [](const Value& v, const Value*) { return v.is_dict(); }},
      {"callable",
       [](const Value& v, const Value*) {
         return v.is_undefined() || (v.is_object() && v.object().is_callable());
       }},
      {"iterable", [](const Value& v, const Value*) { return is_iterable(v); }},
      {"sequence",
       [](const Value& v, const Value*) {
         return v.is_undefined() || v.is_string() || v.is_dict() || v.is_indexable();
       }},
      {"odd", [](const Value& v, const Value*) { return modulo(v, 2, 1); }},
      {"even", [](const Value& v, const Value*) { return modulo(v, 2); }},
      {"divisibleby", [](const Value& v, const Value* a) { return modulo(v, need(a).integer()); }},
      {"sameas", [](const Value& v, const Value* a) { return v.same(need(a)); }},
      {"in", [](const Value& v, const Value* a) { return contains(need(a), v); }},
      {"escaped", [](const Value& v, const Value*) { return v.is_markup(); }},
      {"lower", [](const Value& v, const Value*) { return is_cased(print(v), false); }},
      {"upper", [](const Value& v, const Value*) { return is_cased(print(v), true); }},
      {"filter", [](const Value& v, const Value*) { return names(v, has_filter); }},
      {"test", [](const Value& v, const Value*) { return names(v, has_test); }},
      {"eq", equal},
      {"==", equal},
      {"equalto", equal},
      {"ne", unequal},
      {"!=", unequal},
      {"lt", less},
      {"<", less},
      {"lessthan", less},
      {"le", at_most},
      {"<=", at_most},
      {"gt", more},
      {">", more},
      {"greaterthan", more},
      {"ge", at_least},
      {">=", at_least},
  };
  return table;
}

POSTTRAIN_INLINE std::vector<std::string_view> test_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, test] : test_table()) names.push_back(name);
  return names;
}

POSTTRAIN_INLINE bool has_test(std::string_view name) {
  const auto& table = test_table();
  return std::any_of(table.begin(), table.end(), [&](const auto& t) { return t.first == name; });
}

POSTTRAIN_INLINE bool apply_test(std::string_view name, const Value& input,
                                 const Arguments& arguments) {
  spend(2);  // for the look-up
  for (const auto& [known, test] : test_table()) {
    if (known == name) {
      return test(input, arguments.positional.empty() ? nullptr : &arguments.positional[0]);
    }
  }
  raise("{}", unknown_test(name));
}

POSTTRAIN_INLINE std::string unknown_test(std::string_view name) {
  return fmt::format("the test '{}' is not supported", name);
}

}  // namespace posttrain::text::jinja
