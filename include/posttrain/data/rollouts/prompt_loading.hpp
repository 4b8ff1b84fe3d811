// SPDX-License-Identifier: Apache-2.0
// Files of prompts with answers to token ids, in every format of docs/data.md. Host only.
#pragma once

#include <functional>
#include <string_view>

#include "posttrain/data/formats/tool_nulls.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"

namespace posttrain::data {

/// `check_answer` throws for a record's gold answer that no verifier can judge: an error with file
/// and line, or a sample that is counted (Options::skip_bad_samples). So is a prompt that is a text
/// with `only_conversations`.
LoadedItems<PromptItem> load_prompts(const Source& source, const LoadContext& context,
                                     const std::function<void(std::string_view)>& check_answer,
                                     const CallOptions& calls = {},
                                     bool only_conversations = false);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/prompt_loading.ipp"
#endif
