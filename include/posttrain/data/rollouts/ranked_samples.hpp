// SPDX-License-Identifier: Apache-2.0
// The samples of a prompt by their rewards, for what is chosen of a group: the best ones
// (data/best_of_group.hpp), the best and the worst (data/online_pairs.hpp).
#pragma once

#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/rollout.hpp"

namespace posttrain::data {

/// The samples that have a reward and at least one sampled id, the best first; of equal rewards the
/// first in the group. They live as long as the group.
std::vector<const RolloutSample*> ranked_samples(const RolloutGroup& group);

/// A whole completion without its prompt; its sampled ids have weight 1, the others (what a tool
/// said) are only read.
Sequence completion_of(const RolloutGroup& group, const RolloutSample& sample);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/ranked_samples.ipp"
#endif
