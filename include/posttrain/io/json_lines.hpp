// SPDX-License-Identifier: Apache-2.0
// Files of samples: JSON Lines, or one JSON array of samples. Every record knows its line, and a
// malformed one is handed out as such: whether it ends the run is the caller's choice.
//
// A UTF-8 byte order mark, CRLF and blank lines are accepted. A file whose first character is '['
// is an array; its elements may span lines.
#pragma once

#include <memory>

#include "posttrain/io/file.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

/// One sample of a file.
struct JsonRecord {
  Json value{};
  std::int64_t line = 0;  // its first line, counted from 1
  std::string error{};    // why it is malformed, in one line; empty: it is not
};

/// Reads a file record by record; memory holds one record at a time (and a map of the file).
class JsonLinesReader {
 public:
  explicit JsonLinesReader(const fs::path& path) : path_(path.string()) {
    if (fs::is_regular_file(path)) {
      map_ = std::make_unique<MappedFile>(path);
      const std::span<const std::byte> bytes = map_->bytes();
      rest_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    } else if (fs::is_directory(path)) {
      raise("expected a file of JSON lines at {}, found a folder", path_);
    } else {
      text_ = read_text_file(path);  // a pipe, or the error that says why not
      rest_ = text_;
    }
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
    skip_space();
    is_array_ = rest_.starts_with('[');
    if (is_array_) rest_.remove_prefix(1);
  }

  const std::string& path() const { return path_; }

  /// "chats.jsonl:12"
  std::string where(std::int64_t line) const { return fmt::format("{}:{}", path_, line); }

  /// The next record, or nothing at the end of the file.
  std::optional<JsonRecord> next() { return is_array_ ? next_element() : next_line(); }

 private:
  static constexpr std::string_view kSpace = " \t\r\n";

  void skip_space() {
    const std::size_t end = std::min(rest_.find_first_not_of(kSpace), rest_.size());
    line_ += std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    rest_.remove_prefix(end);
  }

  std::optional<JsonRecord> next_line() {
    skip_space();
    if (rest_.empty()) return std::nullopt;
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(line.size());
    return parse(line, line_);
  }

  /// The elements of an array are cut out by their brackets before each is parsed, so that a bad
  /// one does not hide the others. A structure that cannot be followed ends the file.
  std::optional<JsonRecord> next_element() {
    skip_space();
    if (done_) return std::nullopt;
    if (rest_.starts_with(']') && !after_comma_) {
      rest_.remove_prefix(1);
      done_ = true;
      skip_space();
      if (rest_.empty()) return std::nullopt;
      return JsonRecord{{}, line_, "expected the end of the file after the array's ']'"};
    }
    const std::int64_t first_line = line_;
    const std::optional<std::size_t> size = element_size();
    if (!size) {
      done_ = true;
      return JsonRecord{{}, first_line, "expected the array to end with ']'"};
    }
    const std::string_view element = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    line_ += std::count(element.begin(), element.end(), '\n');
    after_comma_ = rest_.starts_with(',');
    if (after_comma_) rest_.remove_prefix(1);
    return parse(element, first_line);
  }

  /// Length of the element up to its ',' or the array's ']'; nothing where the file ends before.
  std::optional<std::size_t> element_size() const {
    std::int64_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (in_string) {
        if (c == '\\') ++i;
        if (c == '"') in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth > 0 && (c == '}' || c == ']')) {
        --depth;
      } else if (depth == 0 && (c == ',' || c == ']')) {
        return i;
      }
    }
    return std::nullopt;
  }

  static JsonRecord parse(std::string_view text, std::int64_t line) {
    JsonRecord record;
    record.line = line;
    try {
      record.value = Json::parse(text);
    } catch (const Json::exception& error) {
      record.error = "expected JSON, " + json_error_text(error.what());
    }
    return record;
  }

  std::string path_;
  std::unique_ptr<MappedFile> map_;
  std::string text_;
  std::string_view rest_;
  std::int64_t line_ = 1;
  bool is_array_ = false;
  bool after_comma_ = false;
  bool done_ = false;
};

}  // namespace posttrain::io
