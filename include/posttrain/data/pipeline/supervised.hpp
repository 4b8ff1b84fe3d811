// SPDX-License-Identifier: Apache-2.0
// Supervised records to token ids and loss weights.
#pragma once

#include <string>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// The sequences of a record; the tokens before the first scored one are its prompt.
///
/// Messages go through the chat template, and what the assistant says in the completion is scored
/// (with `unmask`, the other messages of the completion, too). A text prompt gets the special
/// tokens that the tokenizer puts before a text, and its completion, which is scored, the
/// end-of-sequence token; the two are tokenised apart, so that no token crosses the boundary and a
/// prompt has the ids that inference sees. TRL tokenises prompt and whole and warns where they
/// disagree.
std::vector<Sequence> supervised_sequences(const text::ChatTokenizer& text,
                                           const SupervisedRecord& record,
                                           text::Turns turns = text::Turns::all,
                                           bool unmask = false);

/// The ids of a prompt as inference sees them: of messages up to where the assistant starts to
/// write; of a text with the special tokens that the tokenizer puts before one.
TokenIds prompt_ids(const text::ChatTokenizer& text, const Passage& prompt,
                    const TemplateInputs& inputs = {});

/// The ids of a text that goes on behind these.
TokenIds continuation_ids(const text::ChatTokenizer& text, const std::string& more,
                          const TokenIds& before);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/supervised.ipp"
#endif
