// SPDX-License-Identifier: Apache-2.0
// The pipeline of data/pipeline/loading.hpp for records (data/formats/records.hpp).
#pragma once

#include <string_view>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/formatted_loading.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// `tokenize(record)` gives the items of one. `configuration` says all that it depends on beside
/// the tokenizer.
template <class Record, ItemKind Kind, class Tokenize>
LoadedOf<Kind> load_records(const Kind& kind, const Source& source, const LoadContext& context,
                            const Tokenize& tokenize, std::string_view configuration) {
  if (context.text == nullptr) {
    raise("{} need a tokenizer; hint: the model's folder must hold a tokenizer.json",
          Record::kExpected);
  }
  return load_formatted(
      kind, source, context, Record::accepts, Record::kExpected,
      [&](const Json& sample) -> std::vector<typename Kind::Item> {
        return tokenize(Record::from(sample));
      },
      fmt::format("{} {}", configuration, context.text->fingerprint()));
}

}  // namespace posttrain::data
