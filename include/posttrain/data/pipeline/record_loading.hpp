// SPDX-License-Identifier: Apache-2.0
// The pipeline of data/pipeline/loading.hpp for records (data/formats/records.hpp).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/loading.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// `tokenize(record)` gives the items of one. `configuration` says all that it depends on beside
/// the tokenizer. The report names the format of each path.
template <class Record, ItemKind Kind, class Tokenize>
LoadedOf<Kind> load_records(const Kind& kind, const Source& source, const LoadContext& context,
                            const Tokenize& tokenize, std::string_view configuration) {
  if (context.text == nullptr) {
    raise("{} need a tokenizer; hint: the model's folder must hold a tokenizer.json",
          Record::kExpected);
  }
  std::vector<std::shared_ptr<FormatReader>> readers;
  const auto open = [&readers](std::string_view path) {
    readers.push_back(std::make_shared<FormatReader>(path, Record::accepts, Record::kExpected));
    return samples_until_nothing([reader = readers.back()] { return reader->next(); });
  };
  auto data = load_items(
      kind, source, context, open,
      [&](const Json& sample) -> std::vector<typename Kind::Item> {
        return tokenize(Record::from(sample));
      },
      fmt::format("{} {}", configuration, context.text->fingerprint()));
  if (readers.empty()) {  // from the cache: the format is still worth a look
    open(source.path);
    if (!source.validation_path.empty()) open(source.validation_path);
    for (const auto& reader : readers) {
      while (!reader->format() && reader->next()) {
      }
    }
  }
  for (const auto& reader : readers) data.report.sources.push_back(reader->description());
  return data;
}

}  // namespace posttrain::data
