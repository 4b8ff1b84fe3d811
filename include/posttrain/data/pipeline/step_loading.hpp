// SPDX-License-Identifier: Apache-2.0
// Files of solutions in judged steps to token ids. Host only: the policy that batches them is
// data/steps.hpp.
#pragma once

#include <string_view>

#include "posttrain/batch/step_kind.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/formats/tool_nulls.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

/// A record as token ids: the prompt as inference sees it, then each step with the separator, at
/// whose last token its reward stands. Steps and separators are tokenized apart, so that no token
/// crosses an end, and what a trained model judges must come through here, too.
SteppedSolution stepped_solution(const text::ChatTokenizer& text, const SteppedRecord& record,
                                 std::string_view separator = "\n");

/// With `last_step_only` the reward of a training solution is that of its last step alone, as in an
/// outcome reward model; validation keeps all (TRL's train_on_last_step_only).
LoadedItems<SteppedSolution> load_steps(const Source& source, const LoadContext& context,
                                        std::string_view separator, bool last_step_only,
                                        const CallOptions& calls = {});

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/step_loading.ipp"
#endif
