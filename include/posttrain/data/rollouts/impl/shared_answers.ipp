// SPDX-License-Identifier: Apache-2.0
// Definitions of shared_answers.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/data/rollouts/shared_answers.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

namespace detail {

inline constexpr std::int64_t RolloutWork::*kWorkCounts[] = {
    &RolloutWork::sampled_tokens,    &RolloutWork::passes,  &RolloutWork::rows,
    &RolloutWork::verifier_failures, &RolloutWork::replies, &RolloutWork::failed_replies};
inline constexpr double RolloutWork::*kWorkSeconds[] = {&RolloutWork::generate_seconds,
                                                        &RolloutWork::verify_seconds};

}  // namespace detail

POSTTRAIN_INLINE std::vector<DrawnPrompt> own_part(std::span<const DrawnPrompt> prompts,
                                                   const Communicator& ranks) {
  std::vector<DrawnPrompt> own;
  for (auto i = static_cast<std::size_t>(ranks.rank()); i < prompts.size();
       i += static_cast<std::size_t>(ranks.size())) {
    own.push_back(prompts[i]);
  }
  return own;
}

POSTTRAIN_INLINE void add_answers_of_all(Communicator& ranks, std::size_t prompts,
                                         const Rollout& own, const RolloutWork& own_work,
                                         Rollout& rollout, RolloutWork& work) {
  Json mine{{"groups", Json::array()}, {"counts", Json::array()}, {"seconds", Json::array()}};
  for (const RolloutGroup& group : own.groups) mine["groups"].push_back(to_json(group));
  for (const auto count : detail::kWorkCounts) mine["counts"].push_back(own_work.*count);
  for (const auto seconds : detail::kWorkSeconds) mine["seconds"].push_back(own_work.*seconds);

  std::vector<Json> all;
  for (const std::string& text :
       ranks.all_texts(mine.dump(-1, ' ', false, Json::error_handler_t::replace))) {
    all.push_back(io::parse_json(text, fmt::format("answers of rank {}", all.size())));
  }
  const auto size = all.size();
  for (std::size_t i = 0; i < prompts; ++i) {
    rollout.groups.push_back(rollout_group_from(all[i % size].at("groups").at(i / size),
                                                fmt::format("answers of rank {}", i % size)));
  }
  for (std::size_t i = 0; i < std::size(detail::kWorkCounts); ++i) {
    for (const Json& each : all) {
      work.*detail::kWorkCounts[i] += each.at("counts").at(i).get<std::int64_t>();
    }
  }
  for (std::size_t i = 0; i < std::size(detail::kWorkSeconds); ++i) {
    double longest = 0.0;
    for (const Json& each : all) {
      longest = std::max(longest, each.at("seconds").at(i).get<double>());
    }
    work.*detail::kWorkSeconds[i] += longest;
  }
}

}  // namespace posttrain::data
