// SPDX-License-Identifier: Apache-2.0
// JSON data as template values.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

inline Value from_json(const Json& json, int depth = 0) {
  if (depth > kMaxJsonDepth) {
    raise("a template's data is nested more than {} levels deep", kMaxJsonDepth);
  }
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        raise("expected integers of 64 bits in a template's data, got {}", number);
      }
      return static_cast<std::int64_t>(number);
    }
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::array: {
      List items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, depth + 1));
      return items;
    }
    case Json::value_t::object: {
      Dict dict;
      dict.items.reserve(json.size());
      for (const auto& [key, item] : json.items()) {
        dict.items.emplace_back(Value(key), from_json(item, depth + 1));
      }
      return dict;
    }
    case Json::value_t::binary: {  // kWideInteger
      const auto& digits = json.get_binary();
      raise("expected integers of 64 bits in a template's data, got {}",
            std::string(digits.begin(), digits.end()));
    }
    default:
      return nullptr;
  }
}

}  // namespace posttrain::text::jinja
