// SPDX-License-Identifier: Apache-2.0
// Definitions of reward_sum.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/reward_sum.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE std::vector<std::string> numbered_names(std::vector<std::string> names) {
  for (std::size_t i = 1; i < names.size(); ++i) {
    const std::string name = names[i];
    const auto end = names.begin() + static_cast<std::ptrdiff_t>(i);
    for (int number = 2; std::find(names.begin(), end, names[i]) != end; ++number) {
      names[i] = fmt::format("{}_{}", name, number);
    }
  }
  return names;
}

POSTTRAIN_INLINE Verdict weighted_sum(std::span<const Verdict> verdicts,
                                      std::span<const double> weights,
                                      const std::vector<std::string>& names) {
  Verdict sum;
  double value = 0.0;
  bool applicable = false;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const Verdict& verdict = verdicts[i];
    sum.seconds += verdict.seconds;
    if (!sum.reason.empty()) sum.reason += ", ";
    sum.reason += names[i] + " ";
    if (!verdict.applicable()) {
      sum.reason += "not applicable";
      continue;
    }
    if (!applicable) sum.parsed = verdict.parsed;
    applicable = true;
    value += weights[i] * *verdict.value;
    sum.reason += fmt::format("{}", *verdict.value);
  }
  if (applicable) sum.value = value;
  return sum;
}

}  // namespace posttrain::detail
