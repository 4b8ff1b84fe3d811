// SPDX-License-Identifier: Apache-2.0
// JSON text to values, with errors in one line that say where.
#pragma once

#include <cmath>
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

/// A value as a message quotes it: the beginning of its text.
template <class AnyJson>
std::string shown(const AnyJson& value) {
  if (value.is_number_float()) {  // NaN's dump is "null"
    const auto number = value.template get<double>();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0.0 ? "Infinity" : "-Infinity";
  }
  std::string text = value.is_binary()
                         ? std::string(value.get_binary().begin(), value.get_binary().end())
                         : value.dump(-1, ' ', true, AnyJson::error_handler_t::replace);
  constexpr std::size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

namespace detail {
/// "config.json: expected rope_theta to be a number, got \"10000\"".
[[noreturn]] void raise_expected(std::string_view where, std::string_view name,
                                 std::string_view expected, const std::string& got);
}  // namespace detail

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
  detail::raise_expected(where, name,
                         open ? fmt::format("an integer of at least {}", minimum)
                              : fmt::format("an integer from {} to {}", minimum, maximum),
                         shown(value));
}

/// The finite number that a value is; errors as in `integer_from`.
template <class AnyJson>
double number_from(const AnyJson& value, std::string_view where, std::string_view name) {
  if (value.is_number()) {
    const auto number = value.template get<double>();
    if (std::isfinite(number)) return number;
  }
  detail::raise_expected(where, name, "a number", shown(value));
}

/// The string that a value is; errors as in `integer_from`.
template <class AnyJson>
std::string text_from(const AnyJson& value, std::string_view where, std::string_view name) {
  if (value.is_string()) return value.template get<std::string>();
  detail::raise_expected(where, name, "a string", shown(value));
}

/// True or false; 0, 1 and "true" are neither. Errors as in `integer_from`.
template <class AnyJson>
bool bool_from(const AnyJson& value, std::string_view where, std::string_view name) {
  if (value.is_boolean()) return value.template get<bool>();
  detail::raise_expected(where, name, "true or false", shown(value));
}

/// The value itself where it is an object; errors as in `integer_from`.
template <class AnyJson>
const AnyJson& object_from(const AnyJson& value, std::string_view where, std::string_view name) {
  if (value.is_object()) return value;
  detail::raise_expected(where, name, "an object", shown(value));
}

/// The value itself where it is a list; errors as in `integer_from`.
template <class AnyJson>
const AnyJson& array_from(const AnyJson& value, std::string_view where, std::string_view name) {
  if (value.is_array()) return value;
  detail::raise_expected(where, name, "a list", shown(value));
}

/// The value under a key; null pointer where there is none. JSON's null is none as well: PEFT and
/// transformers write it for what is not set.
template <class AnyJson>
const AnyJson* value_under(const AnyJson& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// The value under a key that has to be there and not null: `text_from(required_under(…), …)`.
template <class AnyJson>
const AnyJson& required_under(const AnyJson& object, const char* key, std::string_view where) {
  if (const AnyJson* value = value_under(object, key)) return *value;
  raise("{}: expected a value under \"{}\", found {}", where, key,
        object.contains(key) ? "null" : "no such key");
}

/// The integer under a key; `otherwise` where there is none, or null.
template <class AnyJson>
std::int64_t integer_under(const AnyJson& object, const char* key, std::int64_t otherwise,
                           std::string_view where, std::int64_t minimum) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? otherwise : integer_from(*value, where, key, minimum);
}

/// The number under a key; `otherwise` where there is none, or null.
template <class AnyJson>
double number_under(const AnyJson& object, const char* key, double otherwise,
                    std::string_view where) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? otherwise : number_from(*value, where, key);
}

/// The string under a key; `otherwise` where there is none, or null.
template <class AnyJson>
std::string text_under(const AnyJson& object, const char* key, std::string_view otherwise,
                       std::string_view where) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? std::string(otherwise) : text_from(*value, where, key);
}

/// True or false under a key; `otherwise` where there is none, or null.
template <class AnyJson>
bool bool_under(const AnyJson& object, const char* key, bool otherwise, std::string_view where) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? otherwise : bool_from(*value, where, key);
}

/// The object under a key; null pointer where there is none, or null.
template <class AnyJson>
const AnyJson* object_under(const AnyJson& object, const char* key, std::string_view where) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? nullptr : &object_from(*value, where, key);
}

/// The list under a key; null pointer where there is none, or null.
template <class AnyJson>
const AnyJson* array_under(const AnyJson& object, const char* key, std::string_view where) {
  const AnyJson* value = value_under(object, key);
  return value == nullptr ? nullptr : &array_from(*value, where, key);
}

/// The strings of a list under a key; none where there is no list, or null.
template <class AnyJson>
std::vector<std::string> texts_under(const AnyJson& object, const char* key,
                                     std::string_view where) {
  std::vector<std::string> texts;
  if (const AnyJson* list = array_under(object, key, where)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      texts.push_back(text_from((*list)[i], where, fmt::format("{}[{}]", key, i)));
    }
  }
  return texts;
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
