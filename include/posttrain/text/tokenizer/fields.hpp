// SPDX-License-Identifier: Apache-2.0
// An object inside a tokenizer.json with its place there, so that every error says which value was
// expected where: "tokenizer.json: normalizer.normalizers[1]: expected prepend to be a string, …".
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::text {

/// Refers to the object. Null stands for a value that is not given.
class Fields {
 public:
  static constexpr std::string_view kFile = "tokenizer.json";

  /// `place` is the path of keys in the file ("normalizer.normalizers[1]"). An error unless `value`
  /// is an object.
  Fields(const nlohmann::json& value, std::string place)
      : object_(io::object_from(value, kFile, place)), place_(std::move(place)) {}

  const nlohmann::json& object() const { return object_; }

  /// The path of keys to the value under `key`.
  std::string place_of(std::string_view key) const { return fmt::format("{}.{}", place_, key); }

  /// "tokenizer.json: normalizer", as errors start.
  std::string where() const { return fmt::format("{}: {}", kFile, place_); }

  /// The value under a key, which has to be there.
  const nlohmann::json& at(const char* key) const {
    return io::required_under(object_, key, where());
  }
  Fields fields(const char* key) const { return {at(key), place_of(key)}; }

  std::string text(const char* key) const { return io::text_from(at(key), where(), key); }
  std::string text(const char* key, std::string_view otherwise) const {
    return io::text_under(object_, key, otherwise, where());
  }
  bool flag(const char* key, bool otherwise) const {
    return io::bool_under(object_, key, otherwise, where());
  }
  std::int64_t integer(const char* key, std::int64_t otherwise, std::int64_t minimum) const {
    return io::integer_under(object_, key, otherwise, where(), minimum);
  }

  /// Calls `function(entry, its place)` for the entries of the list under a key.
  template <class Function>
  void each(const char* key, const Function& function) const {
    const nlohmann::json& list = io::array_from(at(key), where(), key);
    for (std::size_t i = 0; i < list.size(); ++i) {
      function(list[i], fmt::format("{}.{}[{}]", place_, key, i));
    }
  }

 private:
  const nlohmann::json& object_;
  std::string place_;
};

}  // namespace posttrain::text
