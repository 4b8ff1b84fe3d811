// SPDX-License-Identifier: Apache-2.0
// A curriculum (data/rollouts/curriculum.hpp) by how much there is to learn from a prompt: most
// from one that the policy solves half of the time, little from one that it always or never solves.
//
//   weight = floor + (1 − floor) · 4 p (1 − p),   p = (mean reward − least) / (most − least)
//
//   Rollouts<MathAnswer, NoEnvironment, Learnable>{.path = …, .curriculum = {.floor = 0.1}}
//
// p (1 − p) is the variance of a reward of 0 or 1, "learnability" (arXiv 2502.12272). prime-rl
// keeps pools of easy, normal and hard problems for the same end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "posttrain/base/error.hpp"

namespace posttrain {

struct Learnable {
  // Weight of a prompt that is always or never solved, in [0, 1]. With 0 it is not drawn again.
  double floor = 0.05;
  std::int64_t visits = 1;         // the last ones, whose rewards are averaged; 0: all
  double least = 0.0, most = 1.0;  // the reward of a prompt that is never, that is always solved

  constexpr void validate() const {
    if (!(floor >= 0.0 && floor <= 1.0)) fail("posttrain: Learnable.floor must be in [0, 1]");
    if (visits < 0) fail("posttrain: Learnable.visits must not be negative");
    if (!(least < most)) fail("posttrain: Learnable.least must be below Learnable.most");
  }

  /// 1 for a record that was not visited.
  constexpr double operator()(std::int64_t, std::span<const double> rewards) const {
    if (rewards.empty()) return 1.0;
    const auto last =
        visits == 0 ? rewards.size() : std::min(rewards.size(), static_cast<std::size_t>(visits));
    double sum = 0.0;
    for (const double reward : rewards.last(last)) sum += reward;
    const double mean = sum / static_cast<double>(last);
    const double p = std::clamp((mean - least) / (most - least), 0.0, 1.0);
    return floor + (1.0 - floor) * 4.0 * p * (1.0 - p);
  }
};

}  // namespace posttrain
