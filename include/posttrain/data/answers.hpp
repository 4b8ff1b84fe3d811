// SPDX-License-Identifier: Apache-2.0
// Single answers with a verdict: prompt, completion, label (data/formats/format.hpp), for Kto and
// its kin.
//
// A step is `effective_batch_size` answers; answers to the same prompt share it within a
// micro-batch. Options as in data/preferences.hpp. TRL: KTOTrainer's data.
#pragma once

#include "posttrain/data/pipeline/answer_stream.hpp"
#include "posttrain/data/preferences.hpp"

namespace posttrain::data {

using Answers = BasicPreferences<AnswerItems>;

}  // namespace posttrain::data
