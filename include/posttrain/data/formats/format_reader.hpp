// SPDX-License-Identifier: Apache-2.0
// The samples of a path with their format, and a count of the columns that it does not read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "posttrain/data/formats/format.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/formats/unread_columns.hpp"

namespace posttrain::data {

/// The first good record of the path determines the format; a record of another one is malformed.
class FormatReader {
 public:
  /// `accepts(format)`; `expected` says in an error what would be accepted.
  FormatReader(std::string_view path, bool (*accepts)(Format), std::string_view expected)
      : samples_(path), path_(path), accepts_(accepts), expected_(expected) {}

  std::optional<SourceSample> next();

  /// The format of the records so far; nothing before the first good one.
  std::optional<Format> format() const { return format_; }

  /// Columns of the records so far that have no meaning in their format.
  const UnreadColumns& unread() const { return unread_; }

  /// "chats.jsonl: ShareGPT conversations", for reports.
  std::string description() const;

 private:
  SampleReader samples_;
  std::string path_;
  bool (*accepts_)(Format);
  std::string expected_;
  std::optional<Format> format_;
  UnreadColumns unread_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/formats/impl/format_reader.ipp"
#endif
