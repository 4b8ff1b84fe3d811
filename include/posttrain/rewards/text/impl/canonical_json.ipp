// SPDX-License-Identifier: Apache-2.0
// Definitions of canonical_json.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/impl/json_builder.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/rewards/text/canonical_json.hpp"

namespace posttrain::rewards {

namespace detail {

/// Digits of an integer beyond 64 bits (io::parse_json).
inline bool is_wide_integer(const Json& value) {
  return value.is_binary() && value.get_binary().has_subtype() &&
         value.get_binary().subtype() == kWideInteger;
}

inline void append_canonical(const Json& value, std::string& out) {
  if (const auto number = decimal_of(value)) {
    out += number->text();
  } else if (value.is_array()) {
    out += '[';
    for (const Json& item : value) {
      append_canonical(item, out);
      out += ',';
    }
    out += ']';
  } else if (value.is_object()) {
    std::vector<std::pair<std::string_view, const Json*>> members;
    for (const auto& [key, item] : value.items()) members.emplace_back(key, &item);
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    out += '{';
    for (const auto& [key, item] : members) {
      out += Json(std::string(key)).dump(-1, ' ', false, Json::error_handler_t::replace);
      out += ':';
      append_canonical(*item, out);
      out += ',';
    }
    out += '}';
  } else {
    // A wide integer beyond Decimal's limits keeps its digits.
    out += value.is_binary() ? std::string(value.get_binary().begin(), value.get_binary().end())
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

inline bool has_non_finite(const Json& value) {
  if (value.is_number_float()) return !std::isfinite(value.get<double>());
  if (value.is_structured()) {
    for (const Json& item : value) {
      if (has_non_finite(item)) return true;
    }
  }
  return false;
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<Decimal> decimal_of(const Json& value) {
  if (value.is_number_integer()) return Decimal::parse(value.dump());
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (std::isfinite(number)) return Decimal::parse(fmt::format("{}", number));
  } else if (detail::is_wide_integer(value)) {
    return Decimal::parse(std::string(value.get_binary().begin(), value.get_binary().end()));
  }
  return std::nullopt;
}

POSTTRAIN_INLINE std::string canonical_json(const Json& value) {
  std::string out;
  detail::append_canonical(value, out);
  return out;
}

POSTTRAIN_INLINE std::optional<Json> strict_json(std::string_view text, std::string& problem) {
  std::optional<Json> value = io::try_parse_json_as<Json>(text, problem, /*unique_keys=*/true);
  if (value && detail::has_non_finite(*value)) {
    problem = "expected JSON, found NaN or Infinity";
    return std::nullopt;
  }
  return value;
}

}  // namespace posttrain::rewards
