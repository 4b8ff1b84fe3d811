// SPDX-License-Identifier: Apache-2.0
// Definitions of record.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>

#include "posttrain/base/compiled.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

POSTTRAIN_INLINE RunRecord::RunRecord() : json_(std::make_shared<Json>(Json::object())) {}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, bool value) {
  (*json_)[std::string(name)] = value;
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, double value) {
  (*json_)[std::string(name)] = value;
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, std::int64_t value) {
  (*json_)[std::string(name)] = value;
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, std::uint64_t value) {
  (*json_)[std::string(name)] = value;
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, std::string_view value) {
  (*json_)[std::string(name)] = std::string(value);
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, const std::vector<std::string>& value) {
  (*json_)[std::string(name)] = value;
}

POSTTRAIN_INLINE void RunRecord::add(std::string_view name, const RunRecord& value) {
  (*json_)[std::string(name)] = *value.json_;
}

namespace detail {

inline void erase_fields(Json& record, std::initializer_list<std::string_view> names) {
  if (!record.is_object()) return;
  for (const std::string_view name : names) record.erase(std::string(name));
  for (Json& value : record) erase_fields(value, names);
}

}  // namespace detail

POSTTRAIN_INLINE RunRecord RunRecord::only(std::initializer_list<std::string_view> names) const {
  RunRecord chosen;
  for (const std::string_view name : names) {
    (*chosen.json_)[std::string(name)] = json_->at(std::string(name));
  }
  return chosen;
}

POSTTRAIN_INLINE RunRecord RunRecord::without(std::initializer_list<std::string_view> names) const {
  RunRecord rest;
  *rest.json_ = *json_;
  detail::erase_fields(*rest.json_, names);
  return rest;
}

}  // namespace posttrain
