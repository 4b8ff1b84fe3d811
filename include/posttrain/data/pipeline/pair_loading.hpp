// SPDX-License-Identifier: Apache-2.0
// Preference files to tokenized pairs and judged answers. Host only: the policies are
// data/preferences.hpp and data/answers.hpp.
//
// Prompt and answer are cut where supervised training cuts them (data/pipeline/supervised.hpp), so
// the ids of a prompt are those that inference sees. The prompt of a pair is what both answers
// start with, up to the first scored token.
#pragma once

#include "posttrain/batch/answer_kind.hpp"
#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/data/formats/tool_nulls.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

LoadedItems<AnswerPair> load_pairs(const Source& source, const LoadContext& context,
                                   const PairKind& kind = {}, const CallOptions& calls = {});

LoadedItems<Answer> load_answers(const Source& source, const LoadContext& context,
                                 const AnswerKind& kind = {}, const CallOptions& calls = {});

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/pair_loading.ipp"
#endif
