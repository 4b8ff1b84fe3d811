// SPDX-License-Identifier: Apache-2.0
// The pipeline of data/pipeline/loading.hpp for samples whose keys tell their format. The report
// names the format of each path, and the columns that it does not read.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/data/formats/format_reader.hpp"
#include "posttrain/data/pipeline/loading.hpp"

namespace posttrain::data {

/// `accepts` and `expected` as of `FormatReader`, the rest as of `load_items`.
template <ItemKind Kind, class Tokenize, class Note = decltype([](DataReport&) {})>
LoadedOf<Kind> load_formatted(const Kind& kind, const Source& source, const LoadContext& context,
                              bool (*accepts)(Format), std::string_view expected,
                              const Tokenize& tokenize, std::string_view configuration,
                              const Note& note = {}) {
  std::vector<std::shared_ptr<FormatReader>> readers;
  const auto open = [&](std::string_view path) {
    readers.push_back(std::make_shared<FormatReader>(path, accepts, expected));
    return samples_until_nothing([reader = readers.back()] { return reader->next(); });
  };
  const auto note_columns = [&](DataReport& report) {
    report.unread.merge(readers.back()->unread());
    note(report);
  };
  auto data = load_items(kind, source, context, open, tokenize, configuration, note_columns);
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
