// SPDX-License-Identifier: Apache-2.0
// Values of another type under every key of a JSON value, at every depth: what reads the result
// must accept it or say in one line which file and key it is about.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "posttrain/io/json.hpp"
#include "support/catch.hpp"

namespace posttrain::test {

/// One of each type, numbers in ranges that sizes do not have, and a deep nesting.
inline std::vector<Json> values_of_every_type() {
  Json deep = Json::array();
  for (int i = 0; i < 200; ++i) deep = Json::array({std::move(deep)});
  return {nullptr,
          true,
          false,
          0,
          -1,
          3,
          2.5,
          std::int64_t{1} << 62,
          std::string(),
          "text",
          std::string(5000, 'x'),
          Json::array(),
          Json::array({1}),
          Json::array({"x"}),
          Json::object(),
          Json::object({{"a", 1}}),
          std::move(deep)};
}

/// visit(changed, key) for each value of each key (and without the key) of `whole`.
template <class Visit>
void each_mutation(const Json& whole, const Visit& visit) {
  std::vector<Json::json_pointer> places;
  const auto collect = [&](const auto& self, const Json& value, Json::json_pointer place) -> void {
    if (value.is_object()) {
      for (const auto& [key, inner] : value.items()) {
        places.push_back(place / key);
        self(self, inner, places.back());
      }
    } else if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        places.push_back(place / i);
        self(self, value[i], places.back());
      }
    }
  };
  collect(collect, whole, Json::json_pointer());
  for (const Json::json_pointer& place : places) {
    for (const Json& value : values_of_every_type()) {
      Json changed = whole;
      changed[place] = value;
      visit(changed, place.back());
    }
    Json without = whole;
    if (without[place.parent_pointer()].is_object()) {
      without[place.parent_pointer()].erase(place.back());
      visit(without, place.back());
    }
  }
}

/// Whether an error is one that a user can act on: one line that names the file and holds nothing
/// of a library's own wording. An empty one, of what was read, is good.
inline void check_helpful(const std::string& error, const std::string& file) {
  if (error.empty()) return;
  INFO(error);
  CHECK(error.find(file) != std::string::npos);
  CHECK(error.size() <= 1500);
  for (const char* foreign : {"\n", "json.exception", "type must be", "frame #", "Exception raised",
                              "c10::", "out_of_range"}) {
    INFO(foreign);
    CHECK(error.find(foreign) == std::string::npos);
  }
}

}  // namespace posttrain::test
