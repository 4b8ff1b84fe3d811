// SPDX-License-Identifier: Apache-2.0
// An aggregate as a JSON object, every field by name: {"type": "NextToken", "label_smoothing":
// 0.1}.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/json.hpp"

namespace posttrain {

/// A JSON object whose fields keep their order, behind a pointer: the JSON library's header is not
/// needed to fill it.
class RunRecord {
 public:
  RunRecord();
  void add(std::string_view name, bool value);
  void add(std::string_view name, double value);
  void add(std::string_view name, std::int64_t value);
  void add(std::string_view name, std::uint64_t value);
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const std::vector<std::string>& value);
  void add(std::string_view name, const RunRecord& value);

  /// A copy with these of its fields alone, in their order here.
  RunRecord only(std::initializer_list<std::string_view> names) const;
  /// A copy without fields of these names, here and in the records within.
  RunRecord without(std::initializer_list<std::string_view> names) const;

  const Json& json() const { return *json_; }

 private:
  std::shared_ptr<Json> json_;
};

template <class T>
RunRecord to_record(const T& value);

namespace detail {

template <class T>
void add_field(RunRecord& record, std::string_view name, const T& value) {
  if constexpr (DescribesItself<T>) {
    record.add(name, std::string_view(value.description()));
  } else if constexpr (std::is_enum_v<T>) {
    record.add(name, enum_name(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    record.add(name, value);
  } else if constexpr (std::signed_integral<T>) {
    record.add(name, static_cast<std::int64_t>(value));
  } else if constexpr (std::unsigned_integral<T>) {
    record.add(name, static_cast<std::uint64_t>(value));
  } else if constexpr (std::floating_point<T>) {
    record.add(name, static_cast<double>(value));
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    record.add(name, std::string_view(value));
  } else if constexpr (std::is_convertible_v<T, std::vector<std::string>>) {
    record.add(name, static_cast<const std::vector<std::string>&>(value));
  } else if constexpr (requires { value.begin() != value.end(); }) {
    record.add(name, std::string_view(describe(value)));
  } else {
    record.add(name, to_record(value));
  }
}

}  // namespace detail

template <class T>
RunRecord to_record(const T& value) {
  RunRecord record;
  record.add("type", type_name<T>());
  if constexpr (DescribesItself<T>) {
    record.add("description", std::string_view(value.description()));
  } else if constexpr (std::is_aggregate_v<T>) {  // of a closure, say, the type is all
    for_each_field(value, [&](std::string_view name, const auto& field) {
      detail::add_field(record, name, field);
    });
  }
  return record;
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/record.ipp"
#endif
