// SPDX-License-Identifier: Apache-2.0
// The pipeline of data/pipeline/loading.hpp for records (data/formats/records.hpp).
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/formats/tool_nulls.hpp"
#include "posttrain/data/pipeline/formatted_loading.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// `tokenize(tokenizer, record)` gives the items of one; the tokenizer is that of the context, with
/// `calls` applied. `configuration` says all that it depends on beside the two.
template <class Record, ItemKind Kind, class Tokenize>
LoadedOf<Kind> load_records(const Kind& kind, const Source& source, const LoadContext& context,
                            const Tokenize& tokenize, std::string_view configuration,
                            const CallOptions& calls = {}) {
  if (context.text == nullptr) {
    raise("{} need a tokenizer; hint: the model's folder must hold a tokenizer.json",
          Record::kExpected);
  }
  text::ChatTokenizer text = *context.text;
  if (!calls.parse_arguments) text.set_parse_arguments(false);
  std::int64_t nulls = 0;
  return load_formatted(
      kind, source, context, Record::accepts, Record::kExpected,
      [&](const Json& sample) -> std::vector<typename Kind::Item> {
        Record record = Record::from(sample);
        if (calls.drop_nulls) drop_tool_nulls(record);
        nulls += count_tool_nulls(record);
        return tokenize(text, record);
      },
      fmt::format("{} {} {}", configuration, calls.drop_nulls, text.fingerprint()),
      [&](DataReport& report) { report.nulls += std::exchange(nulls, 0); });
}

}  // namespace posttrain::data
