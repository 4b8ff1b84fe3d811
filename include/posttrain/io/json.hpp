// SPDX-License-Identifier: Apache-2.0
// JSON text to values, with errors in one line that say where.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain::io {

/// Parses `text` as Python's json module does: of a key that an object has twice, the last value
/// counts; NaN and Infinity are numbers. Takes time in proportion to the text. Integers beyond 64
/// bits are kept as their digits (`kWideInteger`). An error is one line that `where` (a file name,
/// say) starts.
Json parse_json(std::string_view text, std::string_view where);

/// As `parse_json`, but the same key twice in one object is an error (two readers of one file could
/// see different things).
Json parse_json_without_duplicates(std::string_view text, std::string_view where);

/// As `parse_json`, but an error is put into `problem`: "expected JSON, line 1, column 2: …".
std::optional<Json> try_parse_json(std::string_view text, std::string& problem);

/// The useful half of an error of nlohmann's: without its identifier.
std::string json_error_text(std::string_view what);

/// A value as a message quotes it: the beginning of its text.
template <class AnyJson>
std::string shown(const AnyJson& value) {
  if (value.is_binary()) return {value.get_binary().begin(), value.get_binary().end()};
  std::string text = value.dump(-1, ' ', true, AnyJson::error_handler_t::replace);
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

/// The integer that a value is. (nlohmann's own conversions cut fractions off and wrap what does
/// not fit.) An error starts with `where` and calls the value `name`.
template <class AnyJson>
std::int64_t integer_from(const AnyJson& value, std::string_view where, std::string_view name,
                          std::int64_t minimum,
                          std::int64_t maximum = std::numeric_limits<std::int64_t>::max()) {
  const bool fits = value.is_number_unsigned()
                        ? value.template get<std::uint64_t>() <= static_cast<std::uint64_t>(maximum)
                        : value.is_number_integer();
  if (fits) {
    const auto number = value.template get<std::int64_t>();
    if (number >= minimum && number <= maximum) return number;
  }
  const bool open = maximum == std::numeric_limits<std::int64_t>::max();
  raise("{}: expected {} to be an integer {}, got {}", where, name,
        open ? fmt::format("of at least {}", minimum)
             : fmt::format("from {} to {}", minimum, maximum),
        shown(value));
}

/// The integer under a key; `otherwise` where there is none, or null.
template <class AnyJson>
std::int64_t integer_under(const AnyJson& object, const char* key, std::int64_t otherwise,
                           std::string_view where, std::int64_t minimum) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return otherwise;
  return integer_from(*found, where, key, minimum);
}

/// A token id: see `integer_from`.
template <class AnyJson>
TokenId token_id_from(const AnyJson& value, std::string_view where, std::string_view name) {
  constexpr std::int64_t kMaximum = std::numeric_limits<TokenId>::max();
  return static_cast<TokenId>(integer_from(value, where, name, 0, kMaximum));
}

/// The token ids under a key: one, several, or none. Null and negative ones (as in old Llamas'
/// "pad_token_id": -1) mean none.
template <class AnyJson>
TokenIds token_ids_under(const AnyJson& object, const char* key, std::string_view where) {
  TokenIds ids;
  const auto found = object.find(key);
  if (found == object.end()) return ids;
  const auto add = [&](const AnyJson& id) {
    if (id.is_null() || (id.is_number_integer() && id < 0)) return;
    ids.push_back(token_id_from(id, where, key));
  };
  if (found->is_array()) {
    for (const AnyJson& id : *found) add(id);
  } else {
    add(*found);
  }
  return ids;
}

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/json.ipp"
#endif
