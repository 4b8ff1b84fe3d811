// SPDX-License-Identifier: Apache-2.0
// From JSON text to a value of nlohmann's types, by the library's rules (io/json.hpp).
//
// nlohmann's own builder looks every key of an object up among those before, and its callbacks walk
// the whole parent after every inner object: hours for objects of a hundred thousand keys. Its
// messages quote identifiers of the library. So its parser is used as a stream of events.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"

namespace posttrain::io::detail {

/// A string that no text holds, for a number that JSON cannot write: "\1NaN".
inline constexpr std::string_view kNumberMark = "\\u0001";

/// The text with NaN, Infinity and −Infinity outside of strings as marked strings; nothing where it
/// has none.
std::optional<std::string> with_marked_numbers(std::string_view text);

/// "line 3, column 7: unexpected 'x'", for an error that nlohmann's lexer met at a byte.
std::string parse_problem(std::string_view text, std::size_t position,
                          std::string_view library_message);

/// Takes the events of nlohmann's parser; false from one of them ends it, with `problem()` set.
template <class AnyJson>
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, bool marked, bool unique_keys)
      : text_(text), marked_(marked), unique_keys_(unique_keys) {}

  AnyJson take() { return std::move(root_); }
  std::string& problem() { return problem_; }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string& digits) {
    if (digits.find_first_of(".eE") != std::string::npos) return add(value);
    return add(AnyJson::binary({digits.begin(), digits.end()}, kWideInteger));
  }
  bool string(std::string& value) {
    if (!marked_ || !value.starts_with('\1')) return add(std::move(value));
    const std::string_view name = std::string_view(value).substr(1);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (name == "NaN") return add(std::numeric_limits<double>::quiet_NaN());
    if (name == "Infinity") return add(kInfinity);
    if (name == "-Infinity") return add(-kInfinity);
    return add(std::move(value));
  }
  bool binary(typename AnyJson::binary_t&) { return false; }  // not in JSON texts

  bool start_object(std::size_t) { return open(AnyJson::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(AnyJson::array()); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Container& object = open_.back();
    object.place = place_of(object, name);
    if (unique_keys_ && object.place != kNew) {
      problem_ = fmt::format("the key '{}' occurs twice in one object", name);
      return false;
    }
    object.key = std::move(name);
    return true;
  }

  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception& error) {
    problem_ = "expected JSON, " + parse_problem(text_, position, error.what());
    return false;
  }

 private:
  static constexpr bool kOrdered = std::is_same_v<AnyJson, Json>;
  static constexpr std::size_t kNew = std::string::npos;
  static constexpr std::size_t kFewKeys = 16;  // as many are looked through faster than hashed

  struct Container {
    AnyJson value{};
    std::string key{};                                   // of the entry that is being read
    std::size_t place = kNew;                            // of an earlier entry of this key
    std::unordered_map<std::string, std::size_t> all{};  // once there are many
  };

  static auto& entries(Container& object) {
    return object.value.template get_ref<typename AnyJson::object_t&>();
  }

  std::size_t place_of(Container& object, const std::string& name) {
    auto& known = entries(object);
    if constexpr (!kOrdered) {
      return known.find(name) == known.end() ? kNew : 0;
    } else if (known.size() < kFewKeys) {
      const auto same = [&](const auto& entry) { return entry.first == name; };
      const auto found = std::find_if(known.begin(), known.end(), same);
      return found == known.end() ? kNew : static_cast<std::size_t>(found - known.begin());
    } else {
      if (object.all.empty()) {
        for (const auto& entry : known) object.all.emplace(entry.first, object.all.size());
      }
      const auto [found, is_new] = object.all.emplace(name, known.size());
      return is_new ? kNew : found->second;
    }
  }

  bool open(AnyJson container) {
    if (open_.size() == static_cast<std::size_t>(kMaxJsonDepth)) {
      problem_ = fmt::format("expected JSON that nests at most {} deep", kMaxJsonDepth);
      return false;
    }
    open_.push_back({.value = std::move(container)});
    return true;
  }

  bool close() {
    AnyJson whole = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(whole));
  }

  bool add(AnyJson value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Container& container = open_.back();
    if (container.value.is_array()) {
      container.value.template get_ref<typename AnyJson::array_t&>().push_back(std::move(value));
    } else if constexpr (!kOrdered) {
      entries(container)[std::move(container.key)] = std::move(value);
    } else if (container.place == kNew) {
      entries(container).emplace_back(std::move(container.key), std::move(value));
    } else {
      std::next(entries(container).begin(), static_cast<std::ptrdiff_t>(container.place))->second =
          std::move(value);
    }
    return true;
  }

  std::string_view text_;
  bool marked_, unique_keys_;
  AnyJson root_{};
  std::vector<Container> open_{};
  std::string problem_{};
};

}  // namespace posttrain::io::detail

namespace posttrain::io {

/// `parse_json` into a type of nlohmann's: `Json` finds a key among a hundred thousand.
template <class AnyJson>
std::optional<AnyJson> try_parse_json_as(std::string_view text, std::string& problem,
                                         bool unique_keys = false) {
  const std::optional<std::string> marked = detail::with_marked_numbers(text);
  if (marked) text = *marked;
  detail::JsonBuilder<AnyJson> builder(text, marked.has_value(), unique_keys);
  if (AnyJson::sax_parse(text, &builder)) return builder.take();
  problem = std::move(builder.problem());
  return std::nullopt;
}

}  // namespace posttrain::io
