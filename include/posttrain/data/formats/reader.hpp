// SPDX-License-Identifier: Apache-2.0
// The samples of a path, read as needed: JSON values or texts, of a file or of a folder's files.
//
// .jsonl, .ndjson and .json files hold JSON values, .txt files texts; any other file is told by its
// first character. All may be compressed with gzip. A folder stands for such files in it and in its
// folders, by name, without those whose names say that they are held out (test, validation, dev,
// eval) while there are others. Other files in it are not read, but a table
// format there is an error, since its samples would be missed. Text that is not UTF-8 is an error.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <range/v3/view/generate.hpp>
#include <range/v3/view/take_while.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/io/json_lines.hpp"

namespace posttrain::data {

/// A sample as it comes from a source.
struct SourceSample {
  Json value{};
  std::string where{};  // "file:line"
  std::string error{};  // why it is malformed; empty: it is not
};

/// Why a sample is malformed, if `read()` throws that; empty where it does not. Readers of this
/// library name the key; one of a user's own may ask nlohmann's type for a key that is not there.
template <class Read>
std::string sample_error(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  } catch (const Json::exception&) {
    return "a value that is read of it is missing, or of another type; hint: io::text_under and "
           "its like (io/json.hpp) say which";
  }
  return {};
}

/// A range of (optional) samples from a function that gives nothing at its end. Single pass.
template <class Next>
auto samples_until_nothing(Next next) {
  return ranges::views::generate(std::move(next)) |
         ranges::views::take_while([](const auto& sample) { return sample.has_value(); });
}

namespace detail {

enum class FileKind { json, text, table, other };

/// By the name alone; `.gz` behind it does not count.
FileKind kind_by_name(std::string_view name);

/// Formats that are not read, with a way out.
void refuse_unreadable(const std::string& path, std::string_view start);

}  // namespace detail

/// The files of a path, sorted.
struct SourceFiles {
  std::vector<std::string> read{};
  std::vector<std::string> held_out{};  // of a folder: named test, validation, dev or eval
};

SourceFiles find_source_files(std::string_view path);

/// The files that a path stands for, sorted.
std::vector<std::string> source_files(std::string_view path);

/// The texts of a file between `delimiter`s, or the whole file as one. Memory holds one text. Parts
/// of nothing but white space are no texts.
class TextPartReader {
 public:
  TextPartReader(const std::string& path, std::string_view delimiter)
      : text_(path), delimiter_(delimiter) {}

  std::optional<SourceSample> next();

 private:
  std::size_t part_size();

  io::TextReader text_;
  std::string delimiter_;
  std::int64_t line_ = 1;
};

/// The samples of a path, file by file: JSON values, and texts as JSON strings.
class SampleReader {
 public:
  explicit SampleReader(std::string_view path, std::string_view delimiter = {})
      : files_(find_source_files(path)), delimiter_(delimiter) {}

  std::optional<SourceSample> next();

  const std::vector<std::string>& files() const { return files_.read; }

  /// "data (3 files, without the held-out data/test.jsonl and 1 more)", for reports.
  std::string description(std::string_view path) const;

 private:
  void open(const std::string& file);

  SourceFiles files_;
  std::string delimiter_;
  std::size_t next_file_ = 0;
  std::optional<io::JsonLinesReader> json_;
  std::optional<TextPartReader> texts_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/formats/impl/reader.ipp"
#endif
