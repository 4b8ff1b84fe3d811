// SPDX-License-Identifier: Apache-2.0
// Every way in which one value of a JSON file can be another, for tests of readers of files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace posttrain::test {

/// Calls `visit(text, what)` for the texts of `document` in which one value, at any depth, is null,
/// a number (negative, huge, broken, NaN), a text, a list or an object, or is gone. `what` is the
/// value's JSON pointer and what stands there. Of a list or object longer than `most` entries the
/// first ones are changed.
template <class AnyJson, class Visit>
void for_each_mutation(const AnyJson& document, const Visit& visit, std::size_t most = 5) {
  using Pointer = typename AnyJson::json_pointer;
  const std::string mark = "\"the value that another replaces\"";
  std::vector<Pointer> places{Pointer()};
  for (std::size_t p = 0; p < places.size(); ++p) {
    const Pointer place = places[p];
    const AnyJson& value = document.at(place);
    if (value.is_object()) {
      std::size_t entries = 0;
      for (const auto& [key, inner] : value.items()) {
        if (entries++ < most) places.push_back(place / key);
      }
    } else if (value.is_array()) {
      for (std::size_t i = 0; i < std::min(value.size(), most); ++i) places.push_back(place / i);
    }
    AnyJson changed = document;
    changed[place] = AnyJson::parse(mark);
    const std::string text = changed.dump();
    const std::size_t at = text.find(mark);
    for (const char* other : {"null", "7", "-1", "1e300", "18446744073709551615", "0.5", "NaN",
                              "123456789012345678901234567890", "true", "\"text\"", "\"\"", "[]",
                              "[1]", "{}", "{\"a\": null}"}) {
      visit(std::string(text).replace(at, mark.size(), other), place.to_string() + " = " + other);
    }
    if (place.empty()) continue;
    AnyJson without = document;
    AnyJson& parent = without[place.parent_pointer()];
    if (parent.is_object()) {
      parent.erase(place.back());
    } else {
      parent.erase(std::stoul(place.back()));
    }
    visit(without.dump(), place.to_string() + " is gone");
  }
}

/// Why a user could not use an error's message; empty where nothing is wrong with it.
inline std::string flaw(const std::string& message, const std::string& file) {
  if (message.size() > 1500) return "longer than 1,500 bytes";
  if (message.find('\n') != std::string::npos) return "several lines";
  if (message.find("json.exception") != std::string::npos) return "text of the JSON library";
  if (message.find(file) == std::string::npos) return "does not name " + file;
  return {};
}

}  // namespace posttrain::test
