// SPDX-License-Identifier: Apache-2.0
// Definitions of messages.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE LoadedData detail::load_messages(const Source& source, const LoadContext& context,
                                                  text::Turns turns, bool unmask,
                                                  const CallOptions& calls) {
  const auto tokenize = [&](const text::ChatTokenizer& text, const SupervisedRecord& record) {
    // Nothing to score: the pipeline counts it.
    if (record.says_nothing() && !unmask) return std::vector<Sequence>(1);
    return supervised_sequences(text, record, turns, unmask);
  };
  return load_records<SupervisedRecord>(
      SequenceKind{}, source, context, tokenize,
      fmt::format("messages {} {}", static_cast<int>(turns), unmask), calls);
}

}  // namespace posttrain::data
