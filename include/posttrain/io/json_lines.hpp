// SPDX-License-Identifier: Apache-2.0
// Files of samples, plain or gzip: JSON Lines, or one JSON array of samples. Every record knows its
// line, and a malformed one is handed out as such: whether it ends the run is the caller's choice.
//
// A UTF-8 byte order mark, CRLF and blank lines are accepted. A file whose first character is '['
// is an array; its elements may span lines. Objects over several lines, and several on one, are
// read, too, where no line by itself is one.
#pragma once

#include <algorithm>

#include "posttrain/io/json.hpp"
#include "posttrain/io/text_reader.hpp"

namespace posttrain::io {

/// One sample of a file.
struct JsonRecord {
  Json value{};
  std::int64_t line = 0;  // its first line, counted from 1
  std::string error{};    // why it is malformed, in one line; empty: it is not
};

/// Reads a file record by record; memory holds one record at a time (text_reader.hpp).
class JsonLinesReader {
 public:
  static constexpr std::size_t kMaxRecord = std::size_t{1} << 30;  // bytes
  static constexpr std::size_t kMaxSpread = std::size_t{1}
                                            << 20;  // of an object over several lines

  explicit JsonLinesReader(const fs::path& path);

  const std::string& path() const { return text_.path(); }

  /// "chats.jsonl:12"
  std::string where(std::int64_t line) const { return fmt::format("{}:{}", path(), line); }

  /// The next record, or nothing at the end of the file.
  std::optional<JsonRecord> next() { return is_array_ ? next_element() : next_line(); }

 private:
  static constexpr std::string_view kSpace = " \t\r\n";

  void skip_space();

  void count_lines(std::string_view text) { line_ += std::count(text.begin(), text.end(), '\n'); }

  /// More of the record whose start the window holds; false at the end of the file.
  bool extend();

  std::optional<JsonRecord> next_line();

  /// The elements of an array are cut out by their brackets before each is parsed, so that a bad
  /// one does not hide the others. A structure that cannot be followed ends the file.
  std::optional<JsonRecord> next_element();

  /// Length of the element up to its ',' or the array's ']'; nothing where the file ends before.
  std::optional<std::size_t> element_size();

  /// Length of the object at the window's start, across lines; nothing where it has no end within
  /// `kMaxSpread` bytes.
  std::optional<std::size_t> object_size();

  static JsonRecord parse(std::string_view text, std::int64_t line);

  TextReader text_;
  std::int64_t line_ = 1;
  bool is_array_ = false;
  bool after_comma_ = false;
  bool done_ = false;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/json_lines.ipp"
#endif
