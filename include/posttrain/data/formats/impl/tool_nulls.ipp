// SPDX-License-Identifier: Apache-2.0
// Definitions of tool_nulls.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/formats/tool_nulls.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE std::int64_t count_nulls(const Json& value) {
  std::int64_t count = 0;
  if (!value.is_structured()) return count;
  for (const Json& inner : value) {
    count += value.is_object() && inner.is_null() ? 1 : count_nulls(inner);
  }
  return count;
}

POSTTRAIN_INLINE void drop_nulls(Json& value) {
  if (!value.is_structured()) return;
  for (Json& inner : value) drop_nulls(inner);
  const auto is_null = [](const Json& inner) { return inner.is_null(); };
  if (value.is_array() || std::none_of(value.begin(), value.end(), is_null)) return;
  Json kept = Json::object();
  auto& entries = kept.get_ref<Json::object_t&>();  // its own insertion looks at every key
  for (auto& [key, inner] : value.get_ref<Json::object_t&>()) {
    if (!inner.is_null()) entries.emplace_back(key, std::move(inner));
  }
  value = std::move(kept);
}

}  // namespace posttrain::data
