// SPDX-License-Identifier: Apache-2.0
// Definitions of messages.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE LoadedData detail::load_messages(const SourceOptions& options,
                                                  const LoadContext& context, text::Turns turns,
                                                  bool unmask) {
  if (context.text == nullptr) {
    fail("Messages needs a tokenizer; hint: the model's folder must hold a tokenizer.json");
  }
  std::vector<std::shared_ptr<FormatReader>> readers;
  const auto open = [&](std::string_view path) {
    readers.push_back(std::make_shared<FormatReader>(path, SupervisedRecord::accepts,
                                                     SupervisedRecord::kExpected));
    return samples_until_nothing([reader = readers.back()] { return reader->next(); });
  };
  LoadedData data = load_samples(
      options, context, open,
      [&](const Json& sample) {
        const SupervisedRecord record = SupervisedRecord::from(sample);
        // Nothing to score: the pipeline counts it.
        if (record.says_nothing() && !unmask) return std::vector<Sequence>(1);
        return supervised_sequences(*context.text, record, turns, unmask);
      },
      fmt::format("messages {} {} {}", static_cast<int>(turns), unmask,
                  context.text->fingerprint()));
  if (readers.empty()) {  // from the cache: the format is still worth a look
    open(options.path);
    if (!options.validation_path.empty()) open(options.validation_path);
    for (const auto& reader : readers) {
      while (!reader->format() && reader->next()) {
      }
    }
  }
  for (const auto& reader : readers) data.report.sources.push_back(reader->description());
  return data;
}

}  // namespace posttrain::data
