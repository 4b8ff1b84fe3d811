// SPDX-License-Identifier: Apache-2.0
// Files of samples, plain or gzip: JSON Lines, or one JSON array of samples. Every record knows its
// line, and a malformed one is handed out as such: whether it ends the run is the caller's choice.
//
// A UTF-8 byte order mark, CRLF and blank lines are accepted. A file whose first character is '['
// is an array; its elements may span lines.
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

  explicit JsonLinesReader(const fs::path& path) : text_(path) {
    while (text_.window().size() < 3 && text_.extend()) {
    }
    if (text_.window().starts_with("\xEF\xBB\xBF")) text_.consume(3);
    skip_space();
    is_array_ = text_.window().starts_with('[');
    if (is_array_) text_.consume(1);
  }

  const std::string& path() const { return text_.path(); }

  /// "chats.jsonl:12"
  std::string where(std::int64_t line) const { return fmt::format("{}:{}", path(), line); }

  /// The next record, or nothing at the end of the file.
  std::optional<JsonRecord> next() { return is_array_ ? next_element() : next_line(); }

 private:
  static constexpr std::string_view kSpace = " \t\r\n";

  void skip_space() {
    do {
      const std::string_view rest = text_.window();
      const std::size_t end = std::min(rest.find_first_not_of(kSpace), rest.size());
      count_lines(rest.substr(0, end));
      text_.consume(end);
    } while (text_.window().empty() && text_.extend());
  }

  void count_lines(std::string_view text) { line_ += std::count(text.begin(), text.end(), '\n'); }

  /// More of the record whose start the window holds; false at the end of the file.
  bool extend() {
    if (text_.window().size() >= kMaxRecord) {
      raise("{}: expected a record of less than 1 GiB; hint: is this a file of JSON lines?",
            where(line_));
    }
    return text_.extend();
  }

  std::optional<JsonRecord> next_line() {
    skip_space();
    if (text_.window().empty()) return std::nullopt;
    std::size_t size = text_.window().find('\n');
    while (size == std::string_view::npos) {
      const std::size_t searched = text_.window().size();
      if (!extend()) {
        size = searched;
      } else {
        size = text_.window().find('\n', searched);
      }
    }
    JsonRecord record = parse(text_.window().substr(0, size), line_);
    text_.consume(size);
    return record;
  }

  /// The elements of an array are cut out by their brackets before each is parsed, so that a bad
  /// one does not hide the others. A structure that cannot be followed ends the file.
  std::optional<JsonRecord> next_element() {
    if (done_) return std::nullopt;
    skip_space();
    if (text_.window().starts_with(']') && !after_comma_) {
      text_.consume(1);
      done_ = true;
      skip_space();
      if (text_.window().empty()) return std::nullopt;
      return JsonRecord{{}, line_, "expected the end of the file after the array's ']'"};
    }
    const std::int64_t first_line = line_;
    const std::optional<std::size_t> size = element_size();
    if (!size) {
      done_ = true;
      return JsonRecord{{}, first_line, "expected the array to end with ']'"};
    }
    const std::string_view element = text_.window().substr(0, *size);
    count_lines(element);
    JsonRecord record = parse(element, first_line);
    text_.consume(*size);
    after_comma_ = text_.window().starts_with(',');
    if (after_comma_) text_.consume(1);
    return record;
  }

  /// Length of the element up to its ',' or the array's ']'; nothing where the file ends before.
  std::optional<std::size_t> element_size() {
    std::int64_t depth = 0;
    bool in_string = false, escaped = false;
    std::size_t i = 0;
    do {
      const std::string_view rest = text_.window();
      for (; i < rest.size(); ++i) {
        const char c = rest[i];
        if (escaped) {
          escaped = false;
        } else if (in_string) {
          escaped = c == '\\';
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
    } while (extend());
    return std::nullopt;
  }

  static JsonRecord parse(std::string_view text, std::int64_t line) {
    JsonRecord record;
    record.line = line;
    if (std::optional<Json> value = try_parse_json(text, record.error)) {
      record.value = *std::move(value);
    }
    return record;
  }

  TextReader text_;
  std::int64_t line_ = 1;
  bool is_array_ = false;
  bool after_comma_ = false;
  bool done_ = false;
};

}  // namespace posttrain::io
