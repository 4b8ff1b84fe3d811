// SPDX-License-Identifier: Apache-2.0
// Groups of a rollout as lines of JSON, for files and checkpoints:
//
//   {"index": 3, "prompt_ids": [1, 9], "samples": [{"ids": [4, 2], "sampled_logps": [-0.5, -0.1],
//    "finish": "stop_id", "text": "4", "scores": [1.0], "reward": 1.0}]}
//
// A sample may also have "sampled" (0 and 1 for each id; without it all of them were),
// "old_logps", "ref_logps", "log_sum_sq", "values", "parsed" and "reason", a group a
// "greedy_reward". null is no score and no reward. What is written is read again to the bit; an
// unknown key is an error.
#pragma once

#include <string_view>

#include "posttrain/base/json.hpp"
#include "posttrain/batch/rollout.hpp"

namespace posttrain::data {

Json to_json(const RolloutGroup& group);

/// Throws one line, which starts with `where`, for what is no such group.
RolloutGroup rollout_group_from(const Json& line, std::string_view where);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/rollout_lines.ipp"
#endif
