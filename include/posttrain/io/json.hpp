// SPDX-License-Identifier: Apache-2.0
// JSON text to values, with errors in one line that say where.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/core/error.hpp"

namespace posttrain::io {

using Json = nlohmann::json;

/// The useful half of nlohmann's parse error: without its identifier and with control characters
/// (which it quotes from the input) made visible.
inline std::string json_error_text(std::string_view what) {
  for (const std::string_view prefix : {"parse error at ", "parse error"}) {
    const std::size_t at = what.find(prefix);
    if (at != std::string_view::npos) {
      what.remove_prefix(at + prefix.size());
      break;
    }
  }
  std::string text;
  for (const char c : what) {
    if (static_cast<unsigned char>(c) < 0x20) {
      text += fmt::format("<{:02x}>", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text;
}

/// Parses `text`; `where` (a file name, say) starts the message of an error.
inline Json parse_json(std::string_view text, std::string_view where) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    raise("{}: expected JSON, {}", where, json_error_text(error.what()));
  }
}

/// As `parse_json`, but the same key twice in one object is an error (plain parsers keep the last,
/// so that two readers of one file could see different things).
inline Json parse_json_without_duplicates(std::string_view text, std::string_view where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) {
        raise("{}: the key '{}' occurs twice in one object", where, key);
      }
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    raise("{}: expected JSON, {}", where, json_error_text(error.what()));
  }
}

}  // namespace posttrain::io
