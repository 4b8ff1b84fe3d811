// SPDX-License-Identifier: Apache-2.0
// What differs between the records of two runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/json.hpp"

namespace posttrain::detail {

/// As "loss.beta: the checkpoint has 0.1, this run 0.5", for `left` of "the checkpoint" and `right`
/// of "this run".
std::vector<std::string> differences(const Json& left, const Json& right,
                                     std::string_view left_name, std::string_view right_name);

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/differences.ipp"
#endif
