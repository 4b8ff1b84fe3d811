// SPDX-License-Identifier: Apache-2.0
// JSON text to values, with errors in one line that say where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain::io {

/// The useful half of nlohmann's parse error, which quotes the input: without its identifier.
inline std::string json_error_text(std::string_view what) {
  for (const std::string_view prefix : {"parse error at ", "parse error"}) {
    const std::size_t at = what.find(prefix);
    if (at != std::string_view::npos) {
      what.remove_prefix(at + prefix.size());
      break;
    }
  }
  return one_line(what);
}

/// Parses `text`; `where` (a file name, say) starts the message of an error.
inline Json parse_json(std::string_view text, std::string_view where) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    raise("{}: expected JSON, {}", where, json_error_text(error.what()));
  }
}

namespace detail {

/// Makes a value of what nlohmann's parser reads, and refuses a key that an object has already.
/// Keys are looked up in a set, so that objects may have hundreds of thousands.
class UniqueKeys {
 public:
  explicit UniqueKeys(std::string_view where) : where_(where) {}

  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t& value) { return add(std::move(value)); }

  bool start_object(std::size_t) { return open(Json::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (!open_.back().keys.insert(name).second) {
      raise("{}: the key '{}' occurs twice in one object", where_, name);
    }
    open_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    raise("{}: expected JSON, {}", where_, json_error_text(error.what()));
  }

 private:
  struct Container {
    Json value{};
    std::string key{};  // of an object's entry that is being read
    std::unordered_set<std::string> keys{};
  };

  bool open(Json container) {
    open_.push_back({.value = std::move(container)});
    return true;
  }

  bool close() {
    Json whole = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(whole));
  }

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Container& container = open_.back(); container.value.is_array()) {
      container.value.push_back(std::move(value));
    } else {
      auto& entries = container.value.get_ref<Json::object_t&>();
      entries.emplace_back(std::move(container.key), std::move(value));
    }
    return true;
  }

  std::string_view where_;
  Json root_{};
  std::vector<Container> open_{};
};

}  // namespace detail

/// As `parse_json`, but the same key twice in one object is an error (plain parsers keep the last,
/// so that two readers of one file could see different things).
inline Json parse_json_without_duplicates(std::string_view text, std::string_view where) {
  detail::UniqueKeys reader(where);
  Json::sax_parse(text, &reader);
  return reader.take();
}

/// A value as a message quotes it: the beginning of its text.
template <class AnyJson>
std::string shown(const AnyJson& value) {
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
