// SPDX-License-Identifier: Apache-2.0
// Files of solutions in judged steps to token ids. Host only: the policy that batches them is
// data/steps.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "posttrain/batch/stepped_solution.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

using LoadedSteps = LoadedItems<SteppedSolution>;

/// A record as token ids: the prompt as inference sees it, then each step with the separator, at
/// whose last token its reward stands. Steps and separators are tokenised apart, so that no token
/// crosses an end, and what a trained model judges must come through here, too.
SteppedSolution stepped_solution(const text::ChatTokenizer& text, const SteppedRecord& record,
                                 std::string_view separator = "\n");

/// With `last_step_only` the reward of a training solution is that of its last step alone, as in an
/// outcome reward model; validation keeps all (TRL's train_on_last_step_only).
LoadedSteps load_steps(const SourceOptions& options, const LoadContext& context,
                       std::string_view separator, bool last_step_only);

/// Keeps the steps that end within `max_seq_len` tokens; false if there is none.
bool truncate(SteppedSolution& solution, std::int64_t max_seq_len);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/step_loading.ipp"
#endif
