// SPDX-License-Identifier: Apache-2.0
// Prompts that several ranks answer together: each rank its part of them, and all have all answers.
//
// Draws are keyed by the prompt, so that who answers it changes nothing; a verifier judges an
// answer once, on one rank, and its verdict is the same for all.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/prompt_order.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/distributed/communicator.hpp"

namespace posttrain::data {

/// Every `size`-th prompt, this rank's number first.
std::vector<DrawnPrompt> own_part(std::span<const DrawnPrompt> prompts, const Communicator& ranks);

/// Adds the groups of all `prompts` prompts to `rollout`, in their order, and what all ranks did to
/// `work`: counts are added up, of times the longest counts. `own`, `own_work`: of this rank's
/// part.
void add_answers_of_all(Communicator& ranks, std::size_t prompts, const Rollout& own,
                        const RolloutWork& own_work, Rollout& rollout, RolloutWork& work);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/shared_answers.ipp"
#endif
