// SPDX-License-Identifier: Apache-2.0
// Definitions of reader.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/io/json_lines.hpp"

namespace posttrain::data {

namespace detail {

POSTTRAIN_INLINE FileKind kind_by_name(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  const auto ends = [&](auto... endings) { return (name.ends_with(endings) || ...); };
  if (ends(".jsonl", ".ndjson", ".json")) return FileKind::json;
  if (ends(".txt")) return FileKind::text;
  if (ends(".parquet", ".arrow", ".csv", ".tsv", ".zst", ".xz", ".bz2")) return FileKind::table;
  return FileKind::other;
}

POSTTRAIN_INLINE void refuse_unreadable(const std::string& path, std::string_view start) {
  constexpr std::string_view kConvert =
      "python3 -c \"import pandas; pandas.read_{}('IN').to_json('OUT.jsonl', orient='records', "
      "lines=True)\"";
  const auto refuse = [&](const char* format, std::string_view hint, std::string_view reader) {
    raise("{}: expected JSON or text, found {}; hint: {}", path, format,
          reader.empty() ? std::string(hint) : fmt::format(fmt::runtime(hint), reader));
  };
  std::string_view name = path;
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (start.starts_with("PAR1")) refuse("Parquet", kConvert, "parquet");
  if (start.starts_with("ARROW1")) refuse("Arrow", kConvert, "feather");
  if (start.starts_with("\x28\xb5\x2f\xfd")) refuse("Zstandard", "unzstd FILE", "");
  if (start.starts_with("\xfd"
                        "7zXZ"))
    refuse("XZ", "unxz FILE", "");
  if (start.starts_with("BZh")) refuse("bzip2", "bunzip2 FILE", "");
  if (name.ends_with(".csv") || name.ends_with(".tsv")) refuse("CSV", kConvert, "csv");
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<std::string> source_files(std::string_view path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return {std::string(path)};
  std::vector<std::string> files;
  for (fs::recursive_directory_iterator entry(path), end; entry != end; ++entry) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.')) {  // a cache, a repository, a file under construction
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && detail::kind_by_name(name) != detail::FileKind::other) {
      files.push_back(entry->path().string());
    }
  }
  if (files.empty()) {
    raise("{}: expected .jsonl, .ndjson, .json or .txt files (or .gz of them) in the folder", path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

POSTTRAIN_INLINE std::optional<Sample> TextPartReader::next() {
  while (true) {
    if (text_.window().empty() && !text_.extend()) return std::nullopt;
    const std::size_t size = part_size();
    const std::string_view window = text_.window();
    const std::string_view part = window.substr(0, size);
    const std::string_view whole =
        window.substr(0, std::min(size + delimiter_.size(), window.size()));
    Sample sample;
    if (part.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      sample = {Json(std::string(part)), fmt::format("{}:{}", text_.path(), line_), ""};
    }
    line_ += std::count(whole.begin(), whole.end(), '\n');
    text_.consume(whole.size());
    if (!sample.where.empty()) return sample;
  }
}

POSTTRAIN_INLINE std::size_t TextPartReader::part_size() {
  std::size_t searched = 0;
  do {
    if (!delimiter_.empty()) {
      const std::size_t found = text_.window().find(delimiter_, searched);
      if (found != std::string_view::npos) return found;
      const std::size_t overlap = std::min(delimiter_.size() - 1, text_.window().size());
      searched = text_.window().size() - overlap;
    }
  } while (text_.extend());
  return text_.window().size();
}

POSTTRAIN_INLINE std::optional<Sample> SampleReader::next() {
  while (true) {
    if (json_) {
      if (std::optional<io::JsonRecord> record = json_->next()) {
        return Sample{std::move(record->value), json_->where(record->line),
                      std::move(record->error)};
      }
      json_.reset();
    }
    if (texts_) {
      if (std::optional<Sample> sample = texts_->next()) return sample;
      texts_.reset();
    }
    if (next_file_ == files_.size()) return std::nullopt;
    open(files_[next_file_++]);
  }
}

POSTTRAIN_INLINE void SampleReader::open(const std::string& file) {
  detail::FileKind kind = detail::kind_by_name(file);
  if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) {
    json_.emplace(file);  // a pipe can be read once only
    return;
  }
  io::TextReader start(file);
  while (start.window().size() < 64 && start.extend()) {
  }
  detail::refuse_unreadable(file, start.window());
  if (kind == detail::FileKind::other || kind == detail::FileKind::table) {
    std::string_view text = start.window();
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const bool json = first == std::string_view::npos || text[first] == '{' || text[first] == '[';
    kind = json ? detail::FileKind::json : detail::FileKind::text;
  }
  if (kind == detail::FileKind::text) {
    texts_.emplace(file, delimiter_);
  } else {
    json_.emplace(file);
  }
}

}  // namespace posttrain::data
