// SPDX-License-Identifier: Apache-2.0
// Report of the samples of a data source: nothing is dropped without being counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/unread_columns.hpp"
#include "posttrain/data/pipeline/read_files.hpp"

namespace posttrain::data {

struct DataReport {
  static constexpr std::size_t kMaxReasons = 5;

  std::int64_t read = 0;               // samples in the files
  std::int64_t bad = 0;                // malformed samples (with skip_bad_samples)
  std::int64_t sequences = 0;          // made from the samples (one sample can give several)
  std::int64_t too_long = 0;           // sequences dropped: longer than max_seq_len
  std::int64_t truncated = 0;          // sequences cut to max_seq_len
  std::int64_t duplicates = 0;         // samples dropped: seen before (with deduplicate)
  std::int64_t all_masked = 0;         // sequences dropped: no token to score
  std::int64_t nulls = 0;              // fields inside calls and schemas of tools (tool_nulls.hpp)
  std::int64_t train = 0;              // sequences kept for training
  std::int64_t validation = 0;         // sequences kept for validation
  std::int64_t tokens = 0;             // of all kept sequences
  std::int64_t scored = 0;             // tokens (or steps) of them that the loss scores
  std::vector<std::string> sources{};  // "chats.jsonl: ShareGPT conversations"
  ReadFiles files{};                   // that the samples come from
  UnreadColumns unread{};              // columns that have no meaning in their format
  std::string cache{};                 // what the cache on disk did; empty: none was asked for
  std::vector<std::string> reasons{};  // "file:line: why" of the first few samples dropped

  std::int64_t kept() const { return train + validation; }

  void add_reason(std::string reason) {
    if (reasons.size() < kMaxReasons) reasons.push_back(std::move(reason));
  }

  /// One line: "1,000 samples read: 990 sequences for training, 0 for validation; …".
  std::string counts() const;

  /// Adds what another source's report says (its `train` and `validation`, too).
  void merge(const DataReport& other);

  /// The counts, then one indented line for each source, the cache and each recorded reason.
  std::string summary() const;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/report.ipp"
#endif
