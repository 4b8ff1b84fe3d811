// SPDX-License-Identifier: Apache-2.0
// Definitions of differences.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/trainer/run/differences.hpp"

namespace posttrain::detail {

inline void add_differences(std::vector<std::string>& found, const std::string& name,
                            const Json& left, const Json& right, std::string_view left_name,
                            std::string_view right_name) {
  if (left == right) return;
  if (left.is_object() && right.is_object()) {
    const std::string prefix = name.empty() ? "" : name + ".";
    for (const auto& [key, value] : left.items()) {
      add_differences(found, prefix + key, value, right.contains(key) ? right.at(key) : Json(),
                      left_name, right_name);
    }
    for (const auto& [key, value] : right.items()) {
      if (left.contains(key)) continue;
      add_differences(found, prefix + key, Json(), value, left_name, right_name);
    }
    return;
  }
  const auto shown = [](const Json& value) {
    return value.is_null() ? "nothing" : io::shown(value);
  };
  found.push_back(
      fmt::format("{}: {} has {}, {} {}", name, left_name, shown(left), right_name, shown(right)));
}

POSTTRAIN_INLINE std::vector<std::string> differences(const Json& left, const Json& right,
                                                      std::string_view left_name,
                                                      std::string_view right_name) {
  std::vector<std::string> found;
  add_differences(found, "", left, right, left_name, right_name);
  return found;
}

}  // namespace posttrain::detail
