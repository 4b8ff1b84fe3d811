// SPDX-License-Identifier: Apache-2.0
// Definitions of json_lines.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json_lines.hpp"

namespace posttrain::io {

POSTTRAIN_INLINE JsonLinesReader::JsonLinesReader(const fs::path& path) : text_(path) {
  while (text_.window().size() < 3 && text_.extend()) {
  }
  if (text_.window().starts_with("\xEF\xBB\xBF")) text_.consume(3);
  skip_space();
  is_array_ = text_.window().starts_with('[');
  if (is_array_) text_.consume(1);
}

POSTTRAIN_INLINE void JsonLinesReader::skip_space() {
  do {
    const std::string_view rest = text_.window();
    const std::size_t end = std::min(rest.find_first_not_of(kSpace), rest.size());
    count_lines(rest.substr(0, end));
    text_.consume(end);
  } while (text_.window().empty() && text_.extend());
}

POSTTRAIN_INLINE bool JsonLinesReader::extend() {
  if (text_.window().size() >= kMaxRecord) {
    raise("{}: expected a record of less than 1 GiB; hint: is this a file of JSON lines?",
          where(line_));
  }
  return text_.extend();
}

POSTTRAIN_INLINE std::optional<JsonRecord> JsonLinesReader::next_line() {
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
  if (!record.error.empty() && text_.window().starts_with('{')) {
    const std::optional<std::size_t> whole = object_size();
    if (whole && *whole != size) {
      JsonRecord other = parse(text_.window().substr(0, *whole), line_);
      if (other.error.empty()) {
        record = std::move(other);
        size = *whole;
      }
    }
  }
  count_lines(text_.window().substr(0, size));
  text_.consume(size);
  return record;
}

POSTTRAIN_INLINE std::optional<JsonRecord> JsonLinesReader::next_element() {
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

namespace detail {

/// Follows brackets through JSON text, character by character.
class Brackets {
 public:
  /// How many are open behind `c`.
  std::int64_t open_after(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      escaped_ = c == '\\';
      if (c == '"') in_string_ = false;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (depth_ > 0 && (c == '}' || c == ']')) {
      --depth_;
    }
    return depth_;
  }

  bool outside() const { return depth_ == 0 && !in_string_; }

 private:
  std::int64_t depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace detail

POSTTRAIN_INLINE std::optional<std::size_t> JsonLinesReader::element_size() {
  detail::Brackets brackets;
  std::size_t i = 0;
  do {
    const std::string_view rest = text_.window();
    for (; i < rest.size(); ++i) {
      if (brackets.outside() && (rest[i] == ',' || rest[i] == ']')) return i;
      brackets.open_after(rest[i]);
    }
  } while (extend());
  return std::nullopt;
}

POSTTRAIN_INLINE std::optional<std::size_t> JsonLinesReader::object_size() {
  detail::Brackets brackets;
  std::size_t i = 0;
  do {
    const std::string_view rest = text_.window();
    for (; i < std::min(rest.size(), kMaxSpread); ++i) {
      if (brackets.open_after(rest[i]) == 0) return i + 1;
    }
  } while (i < kMaxSpread && extend());
  return std::nullopt;
}

POSTTRAIN_INLINE JsonRecord JsonLinesReader::parse(std::string_view text, std::int64_t line) {
  JsonRecord record;
  record.line = line;
  if (std::optional<Json> value = try_parse_json(text, record.error)) {
    record.value = *std::move(value);
  }
  return record;
}

}  // namespace posttrain::io
