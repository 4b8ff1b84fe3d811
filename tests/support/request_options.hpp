// SPDX-License-Identifier: Apache-2.0
// Options out of a JSON object: each key is the name of an aggregate's field, and one that is not
// is an error with the nearest name.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/nearest_name.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::test {

/// Puts an option's JSON value into its field.
template <class Field>
void read_option(const Json& value, std::string_view name, Field& field) {
  constexpr std::string_view kWhere = "options";
  if constexpr (std::is_same_v<Field, bool>) {
    field = io::bool_from(value, kWhere, name);
  } else if constexpr (std::is_integral_v<Field>) {
    field = static_cast<Field>(io::integer_from(
        value, kWhere, name, std::numeric_limits<Field>::min(), std::numeric_limits<Field>::max()));
  } else if constexpr (std::is_floating_point_v<Field>) {
    field = io::number_from(value, kWhere, name);
  } else if constexpr (std::is_same_v<Field, std::string>) {
    // A schema may be written as it is.
    field = value.is_structured() ? value.dump() : io::text_from(value, kWhere, name);
  } else if constexpr (std::is_enum_v<Field>) {
    const std::string text = io::text_from(value, kWhere, name);
    std::vector<std::string> names;
    for (int i = 0; i < 32; ++i) {
      const std::string_view one = enum_name(static_cast<Field>(i));
      if (one.empty() || (one[0] >= '0' && one[0] <= '9')) break;
      if (one == text) {
        field = static_cast<Field>(i);
        return;
      }
      names.emplace_back(one);
    }
    raise("expected {} to be one of {}, got \"{}\"", name, join(names, ", "), text);
  } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
    field.clear();
    for (const Json& item : io::array_from(value, kWhere, name)) {
      field.push_back(io::text_from(item, kWhere, name));
    }
  } else if constexpr (std::is_same_v<Field, TokenIds>) {
    field.clear();
    for (const Json& item : io::array_from(value, kWhere, name)) {
      field.push_back(static_cast<TokenId>(
          io::integer_from(item, kWhere, name, 0, std::numeric_limits<TokenId>::max())));
    }
  } else {
    static_assert(std::is_void_v<Field>, "an option of a type that no request can hold");
  }
}

/// Sets the fields of an aggregate by a request's keys; those that were used are added to `used`,
/// the names of all fields to `known`.
template <class Options>
void read_options(const Json& request, Options& options, std::vector<std::string>& used,
                  std::vector<std::string>& known) {
  for_each_field(options, [&](std::string_view name, auto& field) {
    known.emplace_back(name);
    const auto found = request.find(std::string(name));
    if (found == request.end()) return;
    read_option(*found, name, field);
    used.emplace_back(name);
  });
}

/// Every key is one of `own` or has been used as an option of `what`.
inline void refuse_unknown_keys(const Json& request, const std::vector<std::string>& own,
                                const std::vector<std::string>& used,
                                std::vector<std::string> known, std::string_view what) {
  known.insert(known.end(), own.begin(), own.end());
  for (const auto& item : request.items()) {
    const std::string& key = item.key();
    const auto is = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), key) != names.end();
    };
    if (is(used) || is(own)) continue;
    const std::string_view near = nearest_name(key, known);
    raise("expected an option of {}, got \"{}\"; hint: {}", what, key,
          near.empty() ? "options are " + join(known, ", ")
                       : fmt::format("did you mean \"{}\"?", near));
  }
}

}  // namespace posttrain::test
