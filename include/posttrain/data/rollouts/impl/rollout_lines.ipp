// SPDX-License-Identifier: Apache-2.0
// Definitions of rollout_lines.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

namespace detail {

inline constexpr std::array<std::pair<std::string_view, FinishReason>, 5> kFinishReasons{{
    {"stop_id", FinishReason::stop_id},
    {"stop_string", FinishReason::stop_string},
    {"length", FinishReason::length},
    {"environment", FinishReason::environment},
    {"error", FinishReason::error},
}};

/// A sample's vectors of numbers by their keys.
inline constexpr std::array<std::pair<const char*, std::vector<float> RolloutSample::*>, 6>
    kNumbersOfIds{{
        {"sampled_logps", &RolloutSample::sampled_logps},
        {"old_logps", &RolloutSample::old_logps},
        {"ref_logps", &RolloutSample::ref_logps},
        {"teacher_logps", &RolloutSample::teacher_logps},
        {"log_sum_sq", &RolloutSample::log_sum_sq},
        {"values", &RolloutSample::values},
    }};

inline Json optional_number(const std::optional<double>& number) {
  return number ? Json(*number) : Json(nullptr);
}

inline std::optional<double> optional_number(const Json& value, std::string_view where,
                                             std::string_view name) {
  if (value.is_null()) return std::nullopt;
  return io::number_from(value, where, name);
}

inline void check_keys(const Json& object, std::initializer_list<std::string_view> known,
                       std::string_view where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      raise("{}: expected keys of a rollout, found \"{}\"; hint: data/rollouts/rollout_lines.hpp",
            where, key);
    }
  }
}

inline TokenIds ids_from(const Json& value, std::string_view where, const char* key) {
  TokenIds ids;
  for (const Json& id : io::array_from(value, where, key)) {
    ids.push_back(static_cast<TokenId>(
        io::integer_from(id, where, key, 0, std::numeric_limits<TokenId>::max())));
  }
  return ids;
}

/// A list of ids for each id of the sample, which is among its own; empty: all ids.
inline void read_support(const Json& value, std::string_view where, RolloutSample& sample) {
  for (const Json& of_place : io::array_from(value, where, "support")) {
    TokenIds ids = ids_from(of_place, where, "support");
    std::sort(ids.begin(), ids.end());
    const std::size_t place = sample.support.sizes.size();
    if (!ids.empty() && place < sample.ids.size() &&
        !std::binary_search(ids.begin(), ids.end(), sample.ids[place])) {
      raise("{}: expected the drawn id {} among the ids of its \"support\", which lack it", where,
            sample.ids[place]);
    }
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
      raise("{}: expected each id of a \"support\" once, found one twice", where);
    }
    sample.support.add(ids);
  }
}

inline Json to_json(const Support& support) {
  Json all = Json::array();
  auto next = support.ids.begin();
  for (const std::int32_t size : support.sizes) {
    all.push_back(TokenIds(next, next + size));
    next += size;
  }
  return all;
}

inline RolloutSample rollout_sample_from(const Json& value, std::string_view where) {
  io::object_from(value, where, "a sample");
  check_keys(
      value,
      {"ids", "sampled", "sampled_logps", "old_logps", "ref_logps", "teacher_logps", "log_sum_sq",
       "values", "support", "finish", "text", "scores", "reward", "parsed", "reason"},
      where);
  RolloutSample sample;
  sample.ids = ids_from(io::required_under(value, "ids", where), where, "ids");
  const auto check_count = [&](std::size_t count, const char* key) {
    if (count != sample.ids.size()) {
      raise("{}: expected {} numbers under \"{}\", one for each id, found {}", where,
            sample.ids.size(), key, count);
    }
  };
  if (const Json* marks = io::value_under(value, "sampled")) {
    for (const Json& mark : io::array_from(*marks, where, "sampled")) {
      sample.sampled.push_back(
          static_cast<std::uint8_t>(io::integer_from(mark, where, "sampled", 0, 1)));
    }
    check_count(sample.sampled.size(), "sampled");
  } else {
    sample.sampled.assign(sample.ids.size(), 1);
  }
  for (const auto& [key, field] : kNumbersOfIds) {
    const Json* numbers = io::value_under(value, key);
    if (numbers == nullptr) continue;
    for (const Json& number : io::array_from(*numbers, where, key)) {
      (sample.*field).push_back(static_cast<float>(io::number_from(number, where, key)));
    }
    check_count((sample.*field).size(), key);
  }
  if (const Json* support = io::value_under(value, "support")) {
    read_support(*support, where, sample);
    check_count(sample.support.sizes.size(), "support");
  }
  const std::string finish = io::text_under(value, "finish", "stop_id", where);
  const auto found = std::find_if(kFinishReasons.begin(), kFinishReasons.end(),
                                  [&](const auto& each) { return each.first == finish; });
  if (found == kFinishReasons.end()) {
    raise(
        "{}: expected finish to be stop_id, stop_string, length, environment or error, found "
        "\"{}\"",
        where, finish);
  }
  sample.finish = found->second;
  sample.text = io::text_under(value, "text", "", where);
  sample.parsed = io::text_under(value, "parsed", "", where);
  sample.reason = io::text_under(value, "reason", "", where);
  if (const Json* scores = io::value_under(value, "scores")) {
    for (const Json& score : io::array_from(*scores, where, "scores")) {
      sample.scores.push_back(optional_number(score, where, "scores"));
    }
  }
  if (const Json* reward = io::value_under(value, "reward")) {
    sample.reward = optional_number(*reward, where, "reward");
  }
  return sample;
}

}  // namespace detail

POSTTRAIN_INLINE Json to_json(const RolloutGroup& group) {
  Json samples = Json::array();
  for (const RolloutSample& sample : group.samples) {
    Json scores = Json::array();
    for (const std::optional<double>& score : sample.scores) {
      scores.push_back(detail::optional_number(score));
    }
    Json value = {{"ids", sample.ids}, {"sampled", sample.sampled}};
    for (const auto& [key, field] : detail::kNumbersOfIds) {
      if (!(sample.*field).empty()) value[key] = sample.*field;
    }
    if (!sample.support.sizes.empty()) value["support"] = detail::to_json(sample.support);
    for (const auto& [name, reason] : detail::kFinishReasons) {
      if (reason == sample.finish) value["finish"] = name;
    }
    value["text"] = sample.text;
    value["scores"] = std::move(scores);
    value["reward"] = detail::optional_number(sample.reward);
    if (!sample.parsed.empty()) value["parsed"] = sample.parsed;
    if (!sample.reason.empty()) value["reason"] = sample.reason;
    samples.push_back(std::move(value));
  }
  Json line = {{"index", group.sample}, {"prompt_ids", group.prompt}};
  if (group.greedy_reward) line["greedy_reward"] = *group.greedy_reward;
  line["samples"] = std::move(samples);
  return line;
}

POSTTRAIN_INLINE RolloutGroup rollout_group_from(const Json& line, std::string_view where) {
  io::object_from(line, where, "a group of samples");
  detail::check_keys(line, {"index", "prompt_ids", "greedy_reward", "samples"}, where);
  RolloutGroup group;
  group.sample = io::integer_under(line, "index", -1, where, -1);
  group.prompt =
      detail::ids_from(io::required_under(line, "prompt_ids", where), where, "prompt_ids");
  if (group.prompt.empty()) raise("{}: expected a prompt of at least one id, found none", where);
  if (const Json* greedy = io::value_under(line, "greedy_reward")) {
    group.greedy_reward = io::number_from(*greedy, where, "greedy_reward");
  }
  const Json& samples =
      io::array_from(io::required_under(line, "samples", where), where, "samples");
  for (const Json& sample : samples) {
    group.samples.push_back(detail::rollout_sample_from(sample, where));
  }
  return group;
}

}  // namespace posttrain::data
