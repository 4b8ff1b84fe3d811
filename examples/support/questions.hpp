// SPDX-License-Identifier: Apache-2.0
// Held-out questions as batches that score their answers.
#pragma once

#include <string>
#include <vector>

#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/data/pipeline/token_stream.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json_lines.hpp"

namespace examples {

namespace detail {

/// `prepare` makes a line's conversation of it.
template <class Prepare>
std::vector<posttrain::TokenBatch> batches_of(const posttrain::hub::PretrainedDecoder& model,
                                              const std::string& path, std::int64_t max_tokens,
                                              const Prepare& prepare) {
  using namespace posttrain;
  if (model.text() == nullptr) raise("{}: expected a tokenizer.json", model.folder());
  data::SequenceStore sequences;
  io::JsonLinesReader reader{io::fs::path(path)};
  while (const auto record = reader.next()) {
    if (!record->error.empty()) raise("{}: {}", reader.where(record->line), record->error);
    text::Json sample = record->value;
    prepare(sample);
    for (Sequence& sequence : model.text()->training_sequences(sample)) {
      sequences.push_back(std::move(sequence));
    }
  }
  const std::vector<std::int64_t> lengths = data::detail::sequence_lengths(sequences);
  return data::detail::make_batches(data::FirstFitDecreasing{}.pack(lengths, max_tokens),
                                    sequences);
}

}  // namespace detail

/// Lines of {"messages": [user], "answer": …}: the answer and its terminator are scored.
inline std::vector<posttrain::TokenBatch> question_batches(
    const posttrain::hub::PretrainedDecoder& model, const std::string& path,
    std::int64_t max_tokens = 2048) {
  return detail::batches_of(model, path, max_tokens, [](posttrain::text::Json& sample) {
    sample.at("messages").push_back({{"role", "assistant"}, {"content", sample.at("answer")}});
  });
}

/// Lines of {"messages": [user, assistant]}: the assistant's turns are scored.
inline std::vector<posttrain::TokenBatch> conversation_batches(
    const posttrain::hub::PretrainedDecoder& model, const std::string& path,
    std::int64_t max_tokens = 2048) {
  return detail::batches_of(model, path, max_tokens, [](posttrain::text::Json&) {});
}

}  // namespace examples
