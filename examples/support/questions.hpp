// SPDX-License-Identifier: Apache-2.0
// Held-out questions as batches that score their answers.
#pragma once

#include <string>
#include <vector>

#include "posttrain/data/packing.hpp"
#include "posttrain/data/token_stream.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json_lines.hpp"

namespace examples {

/// Lines of {"messages": [user], "answer": …}: the answer and its terminator are scored.
inline std::vector<posttrain::TokenBatch> question_batches(
    const posttrain::hub::PretrainedDecoder& model, const std::string& path,
    std::int64_t max_tokens = 2048) {
  using namespace posttrain;
  if (model.text() == nullptr) raise("{}: expected a tokenizer.json", model.folder());
  data::SequenceStore sequences;
  io::JsonLinesReader reader{io::fs::path(path)};
  while (const auto record = reader.next()) {
    if (!record->error.empty()) raise("{}: {}", reader.where(record->line), record->error);
    text::Json sample = record->value;
    sample.at("messages").push_back({{"role", "assistant"}, {"content", sample.at("answer")}});
    for (Sequence& sequence : model.text()->training_sequences(sample)) {
      sequences.push_back(std::move(sequence));
    }
  }
  const std::vector<std::int64_t> lengths = data::detail::sequence_lengths(sequences);
  return data::detail::make_batches(data::FirstFitDecreasing{}.pack(lengths, max_tokens),
                                    sequences);
}

}  // namespace examples
