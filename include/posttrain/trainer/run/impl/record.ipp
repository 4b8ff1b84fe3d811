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

}  // namespace posttrain
