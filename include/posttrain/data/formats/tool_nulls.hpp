// SPDX-License-Identifier: Apache-2.0
// Null fields inside calls of tools and the tools' schemas.
//
// A table (Arrow, Parquet, pandas) has one struct for all rows of a column, so it fills each call
// with the arguments of all others: {"hour": 12, "city": null}. transformers renders these nulls,
// and a model learns to write them. In a call that was never in a table a null is a value like any
// other, so they are counted unless `drop_nulls` is asked for. (ms-swift and TRL met it in their
// issues 10110 and 5118.)
#pragma once

#include <cstdint>

#include "posttrain/base/json.hpp"
#include "posttrain/data/formats/passage.hpp"

namespace posttrain::data {

/// What happens to calls of tools between the data and the chat template.
struct CallOptions {
  bool parse_arguments = true;  // texts of objects as objects, where the template wants those
  bool drop_nulls = false;      // leave null fields out of calls and schemas
};

/// The null fields of all objects in a value, at any depth. A null in a list is not one of them.
std::int64_t count_nulls(const Json& value);

/// Leaves these fields out.
void drop_nulls(Json& value);

namespace detail {

/// Calls `function` for the calls in the record's messages and for its tools. Arguments that are a
/// text are one value, which no table has filled.
template <class Record, class Function>
void for_each_call(Record& record, const Function& function) {
  const auto in_messages = [&](auto& passage) {
    if (passage.is_text()) return;
    for (auto& message : passage.messages) {
      for (const char* field : {"tool_calls", "function_call"}) {
        const auto found = message.find(field);
        if (found != message.end()) function(*found);
      }
    }
  };
  in_messages(record.prompt);
  if constexpr (requires { record.completion; }) in_messages(record.completion);
  if constexpr (requires { record.chosen; }) in_messages(record.chosen);
  if constexpr (requires { record.rejected; }) in_messages(record.rejected);
  function(record.inputs.tools);
}

}  // namespace detail

/// The null fields inside a record's calls and schemas of tools.
template <class Record>
std::int64_t count_tool_nulls(const Record& record) {
  std::int64_t count = 0;
  detail::for_each_call(record, [&](const Json& value) { count += count_nulls(value); });
  return count;
}

/// Leaves these fields out of the record.
template <class Record>
void drop_tool_nulls(Record& record) {
  detail::for_each_call(record, [](Json& value) { drop_nulls(value); });
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/formats/impl/tool_nulls.ipp"
#endif
