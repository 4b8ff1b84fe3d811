// SPDX-License-Identifier: Apache-2.0
// Definitions of report.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/report.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE std::string DataReport::counts() const {
  std::string text = fmt::format(
      "{} samples read: {} sequences for training, {} for validation, {} tokens, {} "
      "of them scored",
      read, train, validation, tokens, scored);
  const auto add = [&](std::int64_t count, const char* what) {
    if (count > 0) text += fmt::format("; {} {}", count, what);
  };
  add(bad, "bad samples skipped");
  add(too_long, "dropped as longer than max_seq_len");
  add(truncated, "truncated to max_seq_len");
  add(duplicates, "duplicates dropped");
  add(all_masked, "dropped with no token to score");
  return text;
}

POSTTRAIN_INLINE void DataReport::merge(const DataReport& other) {
  for (const auto count : {&DataReport::read, &DataReport::bad, &DataReport::sequences,
                           &DataReport::too_long, &DataReport::truncated, &DataReport::duplicates,
                           &DataReport::all_masked, &DataReport::nulls, &DataReport::train,
                           &DataReport::validation, &DataReport::tokens, &DataReport::scored}) {
    this->*count += other.*count;
  }
  sources.insert(sources.end(), other.sources.begin(), other.sources.end());
  files.merge(other.files);
  if (!other.cache.empty()) cache += (cache.empty() ? "" : "; ") + other.cache;
  unread.merge(other.unread);
  for (const std::string& reason : other.reasons) add_reason(reason);
}

POSTTRAIN_INLINE std::string DataReport::summary() const {
  std::string text = counts() + "\n";
  for (const std::string& source : sources) text += "  reads " + source + "\n";
  if (!unread.empty()) text += "  does not read the columns " + unread.description() + "\n";
  if (nulls > 0) {
    text += fmt::format(
        "  keeps the null fields inside calls and schemas of tools ({}); hint: drop_nulls = true "
        "leaves them out, where a table has put them in\n",
        nulls);
  }
  if (!cache.empty()) text += "  " + cache + "\n";
  for (const std::string& reason : reasons) text += "  " + reason + "\n";
  return text;
}

}  // namespace posttrain::data
