// SPDX-License-Identifier: Apache-2.0
// The pipeline of data/pipeline/loading.hpp for records (data/formats/records.hpp) of which each
// makes one item.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/loading.hpp"

namespace posttrain::data {

/// `tokenise(record)` makes the item. The report names the format of each path.
template <class Loaded, class Record, class Kind, class Tokenise>
Loaded load_records(const Kind& kind, const SourceOptions& options, const LoadContext& context,
                    const Tokenise& tokenise) {
  if (context.text == nullptr) {
    raise("{} need a tokenizer; hint: the model's folder must hold a tokenizer.json",
          Record::kExpected);
  }
  std::vector<std::shared_ptr<FormatReader>> readers;
  const auto open = [&readers](std::string_view path) {
    readers.push_back(std::make_shared<FormatReader>(path, Record::accepts, Record::kExpected));
    return samples_until_nothing([reader = readers.back()] { return reader->next(); });
  };
  Loaded data = load_items<Loaded>(
      kind, options, context, open,
      [&](const Json& sample) {
        return std::vector<typename Kind::Item>{tokenise(Record::from(sample))};
      },
      [](Loaded& into, const auto& load_both) { keep_in_memory(into, load_both); });
  for (const auto& reader : readers) data.report.sources.push_back(reader->description());
  return data;
}

}  // namespace posttrain::data
