// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "posttrain/data/rollouts/prompt_order.hpp"

namespace posttrain::test {

/// Which prompts were drawn.
inline std::vector<std::size_t> prompts_of(const std::vector<data::DrawnPrompt>& drawn) {
  std::vector<std::size_t> prompts;
  for (const data::DrawnPrompt& each : drawn) prompts.push_back(each.prompt);
  return prompts;
}

}  // namespace posttrain::test
