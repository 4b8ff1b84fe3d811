// SPDX-License-Identifier: Apache-2.0
// Preference files to tokenised pairs and judged answers. Host only: the policies that batch them
// are data/preferences.hpp and data/answers.hpp.
//
// Prompt and answer are cut where supervised training cuts them (data/pipeline/supervised.hpp), so
// the ids of a prompt are those that inference sees. The prompt of a pair is what both answers
// start with, up to the first scored token.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/batch/preference.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

/// What is cut where prompt and answer together are longer than `max_seq_len` and
/// `Options::truncate` asks to cut instead of dropping (TRL: truncation_mode).
///
/// `keep_start` cuts the end of each answer; a prompt that leaves no room is dropped and counted.
/// `keep_end` cuts the start of the prompt, by as much as the longer answer needs; an answer that
/// leaves no token of the prompt is dropped and counted. TRL's keep_end cuts each answer's copy of
/// the prompt by itself and may cut into an answer.
enum class Truncation { keep_start, keep_end };

using LoadedPairs = LoadedItems<AnswerPair>;
using LoadedAnswers = LoadedItems<Answer>;

/// `share_prompts` says how many tokens of `max_tokens_per_batch` a pair takes.
LoadedPairs load_preferences(const SourceOptions& options, const LoadContext& context,
                             Truncation truncation, bool share_prompts = true);

LoadedAnswers load_answers(const SourceOptions& options, const LoadContext& context,
                           Truncation truncation);

/// False if nothing of an answer or of the prompt would be left.
bool truncate(AnswerPair& pair, std::int64_t max_seq_len, Truncation truncation);
bool truncate(Answer& answer, std::int64_t max_seq_len, Truncation truncation);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/pair_loading.ipp"
#endif
