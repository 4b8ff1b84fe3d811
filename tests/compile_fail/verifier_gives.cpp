// expected: posttrain: a verifier gives a Verdict or an (optional) number; of a group, a vector of them [docs/concepts.md#verifier]
// SPDX-License-Identifier: Apache-2.0
// One number for a whole group says nothing about any of its samples.
#include <span>
#include <vector>

#include "posttrain/rewards/pool.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const auto rank = [](std::span<const Sample> group) { return std::vector<double>(group.size()); };
#else
  const auto rank = [](std::span<const Sample> group) { return static_cast<double>(group.size()); };
#endif
  VerifierPool pool{RewardSum{Weigh{rank, 0.5, "rank"}}};
  return static_cast<int>(pool.judged());
}
